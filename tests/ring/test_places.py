from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.places import Folder, Place, Remote, place_of


@pytest.fixture(params=["folder", "file", "memory", "directory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each kind of place; `dir` stands for file systems that know directories."""
    if request.param == "folder":
        yield place_of(tmp_path / "here")
    elif request.param == "file":
        yield place_of((tmp_path / "with space").as_uri())
    elif request.param == "memory":
        yield place_of(f"memory://{tmp_path}")
        MemoryFileSystem.store.clear()
    else:
        yield Remote(f"local://{tmp_path}/there")


def test_what_is_written_is_read(place: Place) -> None:
    assert not place.holds("ab/cd")
    place.write("ab/cd", b"one")
    place.write("ab/ef", b"")
    place.write("ab/cd", b"two")
    assert (place.read("ab/cd"), place.read("ab/ef")) == (b"two", b"")
    assert place.holds("ab/cd")


def test_what_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(FileNotFoundError):
        place.read("ab/cd")


def test_a_file_url_is_a_folder_and_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    found = place_of((tmp_path / "a b").as_uri())
    assert isinstance(found, Folder)
    found.write("x/y", b"1")
    assert [path.name for path in (tmp_path / "a b").rglob("*") if path.is_file()] == ["y"]


def test_bytes_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    found = place_of(tmp_path)
    found.write("x/y", b"1")
    os.utime(tmp_path / "x/y", (1, 1))
    found.write("x/y", b"1")
    assert (tmp_path / "x/y").stat().st_mtime == 1


@pytest.mark.parametrize("url", ["nosuch://bucket/key", "s3://user:secret@bucket/key"])
def test_a_url_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SettingsError) as caught:
        place_of(url)
    assert caught.value.code == "CHIM759"
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_place_that_fails_later_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = place_of(f"memory://{tmp_path}")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no access for //ana:secret@host")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(SettingsError) as caught:
        found.write("a/b", b"1")
    assert caught.value.code == "CHIM759"
    assert "no access" in caught.value.message
    assert "secret" not in caught.value.message
