from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.ring import durable
from chimera_pipelines.ring.durable import write_atomically


def test_parts_follow_each_other_and_replace_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    write_atomically(path, [b"old"])
    write_atomically(path, [b"ne", memoryview(b"w")])
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_a_new_folder_outlasts_a_crash_as_the_file_in_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    write_atomically(tmp_path / "a" / "b" / "c", [b"x"])
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    write_atomically(tmp_path / "a" / "b" / "d", [b"x"])
    assert synced[3:] == [tmp_path / "a" / "b"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_atomically(path, [b"old"])
    with pytest.raises(TypeError):
        write_atomically(path, [b"new", "text"])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
