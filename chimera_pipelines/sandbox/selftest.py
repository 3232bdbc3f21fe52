"""What a tier is tried with, from inside it: each attempt must fail (`tiers`)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path


def attempt(secret: str) -> dict[str, str]:
    """The error name of each attempt, `through` where it was not refused.

    Args:
        secret: path of a file that every user of the machine may read.
    """
    return {
        "read": _reason(lambda: Path(secret).read_text()),
        "write": _reason(lambda: Path(secret + ".out").write_text("out")),
        "socket": _reason(lambda: socket.socket(socket.AF_INET).close()),
        "fork": _reason(_fork),
    }


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _reason(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "through"
