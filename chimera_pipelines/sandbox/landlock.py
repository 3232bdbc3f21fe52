"""Landlock: path rules that a process lays on itself, without privilege (kernel ≥ 5.13).

Landlock covers opening, reading, listing and changing files; it does not cover `stat`, so that
names and sizes of files stay visible, and it does not cover `chmod` and the like, which the system
call filter refuses. Newer kernels add TCP ports (ABI 4), device ioctls (5), and scopes for signals
and abstract sockets (6).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from stat import S_ISDIR

from chimera_pipelines.sandbox import libc

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # equal on x86_64 and aarch64
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS = (1 << 0) | _WRITE_FILE | _READ_FILE | (1 << 14)  # what a rule on a file may name
_RIGHTS_BY_ABI = ((5, 16), (3, 15), (2, 14), (1, 13))  # number of access rights known since
_NET_TCP = 0b11
_SCOPES = 0b11
_ABI_NET, _ABI_SCOPES = 4, 6


def abi() -> int:
    """Version of Landlock that the kernel offers, 0 where there is none."""
    try:
        return libc.syscall("landlock_create_ruleset", _CREATE, 0, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str] = ()) -> int:
    """Allow this thread, and all it starts, to read and write beneath these paths only.

    `/dev/null` is always among them: libraries open it when they are imported.

    Args:
        readable: folders and files; those that do not exist are left out.
        writable: folders in which files may also be made, changed and removed.

    Returns:
        The ABI version in force.

    Raises:
        OSError: the kernel has no Landlock, or refuses the rules.
    """
    version = libc.syscall("landlock_create_ruleset", _CREATE, 0, 0, _VERSION_FLAG)
    rights = (1 << next(count for since, count in _RIGHTS_BY_ABI if version >= since)) - 1
    attributes = struct.pack("=Q", rights)
    if version >= _ABI_NET:
        attributes += struct.pack("=Q", _NET_TCP)
    if version >= _ABI_SCOPES:
        attributes += struct.pack("=Q", _SCOPES)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = libc.syscall("landlock_create_ruleset", _CREATE, buffer, len(attributes), 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        _allow(ruleset, "/dev/null", _READ_FILE | _WRITE_FILE)
        for path in writable:
            _allow(ruleset, path, rights & ~1)  # all but executing
        libc.syscall("landlock_restrict_self", _RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, rights: int) -> None:
    with suppress(FileNotFoundError, PermissionError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            granted = rights if S_ISDIR(os.fstat(folder).st_mode) else rights & _FILE_RIGHTS
            rule = struct.pack("=Qi", granted, folder)
            buffer = ctypes.create_string_buffer(rule, len(rule))
            libc.syscall("landlock_add_rule", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, buffer, 0)
        finally:
            os.close(folder)
