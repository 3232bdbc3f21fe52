"""Waiting for an exclusive `flock`, but not for ever: who holds it may be stopped.

Linux has no `flock` with a limit, and one that blocks in a thread cannot be called off, so the lock
is tried again and again, at first after a millisecond.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from chimera_pipelines.errors import UsageError

WAIT_S = 60.0
_FIRST_S = 0.001
_LONGEST_S = 0.01
_LOCKS = Path("/proc/locks")


def take(handle: int, path: Path) -> None:
    """Lock an open file; closing it lets go.

    Args:
        handle: of the file.
        path: its name, for the message.

    Raises:
        UsageError: CHIM229, somebody else holds it for longer than `WAIT_S`.
    """
    until, pause = time.monotonic() + WAIT_S, _FIRST_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise _held(handle, path) from None
        else:
            return
        time.sleep(pause)
        pause = min(_LONGEST_S, pause * 2)


def holder(handle: int) -> int | None:
    """The process that locked an open file, as /proc/locks says; None when that does not tell.

    It does not for a process of another namespace, and some file systems have other numbers there.
    """
    found = os.fstat(handle)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        lines = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        # "1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF"; with "->" behind the number it waits.
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[5:6] == [device] and int(words[4]) > 0:
            return int(words[4])
    return None


def _held(handle: int, path: Path) -> UsageError:
    pid = holder(handle)
    if pid is None:
        who, hint = "another process", "'lslocks' may show which; end it, then run again"
    else:
        who, hint = f"process {pid}{_named(pid)}", f"see what process {pid} does, or end it"
    return UsageError("CHIM229", f"'{path}' is locked by {who} for {WAIT_S:g} s", hint=hint)


def _named(pid: int) -> str:
    try:
        return f" ('{Path(f'/proc/{pid}/comm').read_text().strip()}')"
    except OSError:
        return ""
