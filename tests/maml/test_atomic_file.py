from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from chimera_pipelines.maml import atomic_file


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a b[1].md"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def test_a_replacement_keeps_the_mode_and_holds_the_lock(file):
    handle = atomic_file.replace(file, b"new", like=file.stat())
    try:
        assert file.read_bytes() == b"new"
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert os.fstat(handle).st_ino == file.stat().st_ino
        code = (
            "import fcntl, sys\n"
            "try: fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except BlockingIOError: print('locked')"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, file], capture_output=True, text=True, check=True
        )
        assert said.stdout == "locked\n"
    finally:
        os.close(handle)


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(file, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        atomic_file.replace(file, b"new", like=file.stat())
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]


def test_what_a_killed_writer_left_is_swept(file):
    left = file.with_name(f".{file.name}.0123.history-tmp")
    fresh = file.with_name(f".{file.name}.4567.history-tmp")
    other = file.with_name(".other.md.0123.history-tmp")
    for path in (left, fresh, other):
        path.write_bytes(b"half")
    old = time.time() - 3600
    os.utime(left, (old, old))
    os.utime(other, (old, old))
    os.close(atomic_file.replace(file, b"new", like=file.stat()))
    assert set(file.parent.iterdir()) == {file, fresh, other}


def test_who_waits_for_the_lock_gets_that_of_the_new_file(file):
    first = atomic_file.lock(file, create=False)
    code = (
        "import os, sys; from pathlib import Path; from chimera_pipelines.maml import atomic_file\n"
        "print('up', flush=True)\n"
        "handle = atomic_file.lock(Path(sys.argv[1]), create=False)\n"
        "print(os.read(handle, 9).decode())"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", code, file], stdout=subprocess.PIPE, text=True
    )
    assert waiting.stdout.readline() == "up\n"
    second = atomic_file.replace(file, b"new", like=file.stat())
    os.close(first)
    os.close(second)
    assert waiting.communicate(timeout=60)[0] == "new\n"


def test_a_lock_makes_the_file_only_when_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_file.lock(tmp_path / "x" / "y", create=False)
    os.close(atomic_file.lock(tmp_path / "x" / "y", create=True))
    assert (tmp_path / "x" / "y").read_bytes() == b""
