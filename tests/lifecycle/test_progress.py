"""Notes that outlive the process that wrote them."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.lifecycle.progress import ABANDONED_S, NoteKey, Progress

KEY = NoteKey("01K1Z6S8Q4T9X2R7B3M5N6P8VA", "vqe", None, "loop")


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_newest_note_of_a_key_is_given(tmp_path: Path) -> None:
    notes = Progress(tmp_path / "runs")
    assert notes.load(KEY) is None
    notes.save(KEY, {"theta": 0.1 + 0.2})
    notes.save(KEY, {"theta": 1e-300})
    for other in (replace(KEY, kernel="x"), replace(KEY, partition="a"), replace(KEY, name="b")):
        assert notes.load(other) is None
        notes.save(other, [other.kernel])
    assert Progress(tmp_path / "runs").load(KEY) == {"theta": 1e-300}
    notes.drop(KEY)
    notes.drop(KEY)
    assert notes.load(KEY) is None
    assert len(files(tmp_path)) == 3


def test_a_note_that_is_not_whole_is_none(tmp_path: Path) -> None:
    notes = Progress(tmp_path)
    notes.save(KEY, {"theta": 1.5})
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    for torn in (whole[:-1], b"", whole.replace(b"1.5", b"2.5")):
        path.write_bytes(torn)
        assert notes.load(KEY) is None


def test_notes_are_for_their_owner_alone(tmp_path: Path) -> None:
    notes = Progress(tmp_path / "runs")
    notes.save(KEY, 1)
    (path,) = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_run_that_ends_takes_its_notes_and_abandoned_ones_along(tmp_path: Path) -> None:
    notes = Progress(tmp_path)
    old, new = replace(KEY, run="01OLD"), replace(KEY, run="01NEW")
    for key in (KEY, old, new):
        notes.save(key, 1)
    long_ago = (tmp_path / "01OLD").stat().st_mtime - ABANDONED_S - 60
    os.utime(tmp_path / "01OLD", (long_ago, long_ago))
    notes.end(KEY.run)
    notes.end(KEY.run)
    assert [notes.load(key) for key in (KEY, old, new)] == [None, None, 1]


def test_a_run_id_never_becomes_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the id of a run"):
        Progress(tmp_path).save(replace(KEY, run="../x"), 1)
    assert files(tmp_path) == []
