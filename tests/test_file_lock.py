"""Waits for a lock have an end."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines import file_lock
from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml import atomic_file
from chimera_pipelines.ring.slots import Slots
from chimera_pipelines.tickets import private_files

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held() -> Iterator[Callable[[Path], int]]:
    """Has another process lock a file; gives its pid."""
    processes: list[subprocess.Popen[bytes]] = []

    def hold(path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", HOLD, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        return process.pid

    yield hold
    for process in processes:
        process.communicate(timeout=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


@pytest.fixture
def handle(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    yield handle
    os.close(handle)


def test_a_free_lock_is_taken_at_once(handle: int, path: Path) -> None:
    file_lock.take(handle, path)
    other = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert file_lock.holder(other) in {os.getpid(), None}
    os.close(other)


def test_who_holds_it_for_too_long_is_named(
    handle: int, path: Path, held: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = held(path)
    monkeypatch.setattr(file_lock, "WAIT_S", 0.1)
    with pytest.raises(UsageError) as raised:
        file_lock.take(handle, path)
    assert raised.value.code == "CHIM229"
    assert str(path) in raised.value.message
    assert raised.value.hint
    if file_lock.holder(handle) is not None:  # /proc/locks has other numbers on some file systems
        assert f"process {pid} ('python" in raised.value.message


def test_locks_that_say_nothing_of_it_name_nobody(
    handle: int,
    path: Path,
    tmp_path: Path,
    held: Callable[[Path], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held(path)
    monkeypatch.setattr(file_lock, "WAIT_S", 0.0)
    found = os.fstat(handle)
    number = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = tmp_path / "locks"
    monkeypatch.setattr(file_lock, "_LOCKS", locks)
    assert file_lock.holder(handle) is None, "there is no such file"
    locks.write_text(
        f"1: -> FLOCK  ADVISORY  WRITE 5 {number} 0 EOF\n"
        f"2: POSIX  ADVISORY  WRITE 6 {number} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE -1 {number} 0 EOF\n"
        "4: FLOCK  ADVISORY  WRITE 7 00:00:1 0 EOF\n\n"
    )
    with pytest.raises(UsageError, match="locked by another process"):
        file_lock.take(handle, path)
    with locks.open("a") as file:
        file.write(f"5: FLOCK  ADVISORY  WRITE 8 {number} 0 EOF\n")
    assert file_lock.holder(handle) == 8


def test_it_is_taken_when_the_other_lets_go(handle: int, path: Path) -> None:
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    let_go = threading.Event()

    def free() -> None:
        let_go.set()
        os.close(other)

    threading.Timer(0.1, free).start()
    file_lock.take(handle, path)
    assert let_go.is_set()
    assert file_lock.holder(handle) == os.getpid()


def _history(folder: Path) -> Any:
    return atomic_file.lock(folder / "history", create=True)


def _slots(folder: Path) -> Any:
    with Slots((), folder).locked("HEAD_1"):
        pass


def _keys(folder: Path) -> Any:
    with private_files.locked(folder):
        pass


@pytest.mark.parametrize(
    ("name", "take"), [("history", _history), ("HEAD_1.lock", _slots), (".lock", _keys)]
)
def test_every_lock_of_ours_has_the_limit(
    tmp_path: Path,
    held: Callable[[Path], int],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    take: Callable[[Path], Any],
) -> None:
    held(tmp_path / name)
    monkeypatch.setattr(file_lock, "WAIT_S", 0.05)
    with pytest.raises(UsageError, match=name) as raised:
        take(tmp_path)
    assert raised.value.code == "CHIM229"
