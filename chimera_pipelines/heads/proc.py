"""What Linux tells of a process in /proc/PID/stat."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessLook:
    """One look at a process.

    Attributes:
        state: R runs, S sleeps, D waits for a device, T is stopped, t is traced, Z is dead.
        ticks: processor time of all its threads so far, in clock ticks.
        created: when it began, in clock ticks since boot; with the pid it names one process.
    """

    state: str
    ticks: int
    created: int


def parse(text: str) -> ProcessLook:
    """A look from the text of /proc/PID/stat; a program's name may hold blanks and brackets.

    Raises:
        ValueError, IndexError: it is no such text.
    """
    fields = text[text.rindex(")") + 2 :].split()
    return ProcessLook(fields[0], int(fields[11]) + int(fields[12]), int(fields[19]))


def look(pid: int) -> ProcessLook | None:
    """A look at a process, or None when there is none."""
    try:
        return parse(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))
    except (OSError, ValueError, IndexError):
        return None


def alive(pid: int, created: int) -> bool:
    """Whether the process that began then is there and has not ended."""
    found = look(pid)
    return found is not None and found.created == created and found.state not in "ZX"


def end(pid: int, created: int) -> None:
    """Kill the process that began then; never another one that has got its number since."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if alive(pid, created):  # now the handle is of this one, whatever becomes of the number
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
