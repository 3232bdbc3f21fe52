from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.ring.durable import write_atomically


def test_parts_follow_each_other_and_replace_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    write_atomically(path, [b"old"])
    write_atomically(path, [b"ne", memoryview(b"w")])
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_atomically(path, [b"old"])
    with pytest.raises(TypeError):
        write_atomically(path, [b"new", "text"])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
