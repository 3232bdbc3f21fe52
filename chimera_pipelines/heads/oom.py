"""Whether the kernel may have ended a process for want of memory, which it never tells its parent.

Linux counts such endings for the whole machine. That the number has risen while a head ran which
was then killed by a signal of nobody's is as much as can be known without privileges.
"""

from __future__ import annotations

import signal
from pathlib import Path

_VMSTAT = Path("/proc/vmstat")


def oom_kills(source: Path = _VMSTAT) -> int:
    """How many processes this machine has ended for want of memory; 0 where it does not say."""
    try:
        text = source.read_text("ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill":
            return int(number)
    return 0


def killed_by(number: int, *, kills: int) -> str:
    """How a process ended that a signal killed.

    Args:
        number: of the signal.
        kills: how many processes were ended for want of memory while it ran.
    """
    said = f"killed by {signal.Signals(number).name}"
    if number == signal.SIGKILL and kills > 0:
        return f"{said}, for want of memory it seems: the machine has ended {kills} that way"
    return said
