"""Giving up privileges for good: uid, capabilities, what an exec could regain."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress

from chimera_pipelines.sandbox import libc

_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_HIGHEST_CAPABILITY = 63
_AMBIENT_CLEAR_ALL = 4
_LOCKED_BITS = 0x2F  # NOROOT, NO_SETUID_FIXUP (both locked), KEEP_CAPS_LOCKED


def become(uid: int) -> None:
    """Change to user and group `uid` with no further groups.

    Raises:
        OSError: not allowed here, or it could be undone.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    try:
        os.setuid(0)
    except OSError:
        return
    raise PermissionError(1, "root can be regained after dropping to a user")


def drop_capabilities() -> None:
    """Empty every capability set of this thread and keep them from coming back.

    The bounding set and the secure bits can only be changed with CAP_SETPCAP; without it
    `no_new_privs` alone keeps capabilities from coming back.

    Raises:
        OSError: the sets cannot be emptied.
    """
    with suppress(OSError):
        libc.prctl(libc.PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    with suppress(OSError):
        libc.prctl(libc.PR_SET_SECUREBITS, _LOCKED_BITS)
    for capability in range(_HIGHEST_CAPABILITY + 1):
        with suppress(OSError):
            libc.prctl(libc.PR_CAPBSET_DROP, capability)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = bytes(24)
    libc.syscall(
        "capset",
        _CAPSET[platform.machine()],
        ctypes.create_string_buffer(header, len(header)),
        ctypes.create_string_buffer(data, len(data)),
    )


def forbid_new_privileges() -> None:
    """Set `no_new_privs`: no exec of this process or its children can gain anything."""
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; a change of uid undoes this."""
    libc.prctl(libc.PR_SET_PDEATHSIG, 9)
