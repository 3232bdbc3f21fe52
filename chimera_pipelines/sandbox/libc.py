"""The few C library entries that Python lacks; each failure is an `OSError` that names the call."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47


def syscall(name: str, number: int, *arguments: int | ctypes.Array[ctypes.c_char]) -> int:
    """Result of a system call.

    Raises:
        OSError: it failed; the message names the call.
    """
    converted = [
        ctypes.c_long(item) if isinstance(item, int) else ctypes.byref(item) for item in arguments
    ]
    result = int(_LIBC.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    """The result of a process control call.

    Raises:
        OSError: it failed.
    """
    padded = [ctypes.c_ulong(item) for item in (*arguments, 0, 0, 0, 0)[:4]]
    result = int(_LIBC.prctl(ctypes.c_int(option), *padded))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")
    return result
