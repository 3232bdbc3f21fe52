"""The system call filter: an ALLOW list, assembled here to classic BPF.

Strategy. The worker installs the filter on itself after its imports, so the list holds what
interpreter and numerical libraries need to *go on*: reading, memory, threads, clocks. What makes
processes answers EAGAIN (reported as the processes limit), what honest libraries probe answers
EPERM or ENOSYS, and what only an attack calls kills the process. Some calls depend on an argument:
`clone` makes threads only, `kill` reaches the process itself alone, `openat` opens nothing for
writing where the tier has no writable path. The filter goes to every thread at once (TSYNC).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from chimera_pipelines.sandbox import libc, syscalls

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR_OFFSET, _ARCH_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000

# column in the tables of `syscalls`, AUDIT_ARCH_*, number of seccomp(2)
_MACHINES: Mapping[str, tuple[int, int, int]] = {
    "x86_64": (0, 0xC000003E, 317),
    "aarch64": (1, 0xC00000B7, 277),
}
_SECCOMP_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000 | 0x00000080  # NEWNS, NEWCGROUP … NEWNET, NEWTIME
_PRCTL_OPTIONS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (malloc's names)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: never TIOCSTI or TIOCLINUX
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# Descriptors, their flags, locks, pipe sizes, seals. Never F_SETOWN and F_SETSIG, which have the
# kernel send any signal to any process of the same user, nor leases, which hold up its opens.
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033, 1034)
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Instruction = tuple[int, int, int, int]


class Test(Enum):
    """What the low (or high) word of an argument must satisfy."""

    ONE_OF = "one of"
    ALL_BITS = "all bits"
    NO_BITS = "no bits"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one argument; a call that fails it gets `error`."""

    argument: int
    test: Test
    values: tuple[int, ...]
    error: int = errno.EPERM
    high_word: bool = False


def supported() -> bool:
    """Whether the tables know this machine."""
    return platform.machine() in _MACHINES


def compile_filter(machine: str, *, own_pid: int, write_files: bool) -> bytes:
    """The filter as BPF bytes (8 an instruction).

    Args:
        machine: `x86_64` or `aarch64`.
        own_pid: pid that `kill` and `tgkill` may name, in the process's own namespace.
        write_files: whether files may be opened for writing at all.
    """
    column, audit, _ = _MACHINES[machine]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_JEQ, 1, 0, audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR_OFFSET),
    ]
    if machine == "x86_64":
        program += [(_JGE, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL_PROCESS)]
    for name, rules in _argument_rules(own_pid, write_files=write_files).items():
        program += _case(_number(name, column), _checked(rules))
    for table, action in (
        (syscalls.ALLOWED, _ALLOW),
        (syscalls.WRITES, _ALLOW if write_files else _ERRNO | errno.EROFS),
        (syscalls.PROCESSES, _ERRNO | errno.EAGAIN),
        (syscalls.UNKNOWN, _ERRNO | errno.ENOSYS),
        (syscalls.FATAL, _KILL_PROCESS),
    ):
        for name in table:
            program += _case(_number(name, column), [(_RETURN, 0, 0, action)])
    program += [
        (_JGE, 0, 1, syscalls.NEWEST + 1),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _argument_rules(own_pid: int, *, write_files: bool) -> dict[str, list[Rule]]:
    only_self = [Rule(0, Test.ONE_OF, (own_pid,))]
    read_only = Test.NO_BITS, (_WRITE_FLAGS,), errno.EROFS
    opens: dict[str, list[Rule]] = {"open": [], "openat": []}
    if not write_files:
        opens = {"open": [Rule(1, *read_only)], "openat": [Rule(2, *read_only)]}
    return opens | {
        "clone": [
            Rule(0, Test.ALL_BITS, (_CLONE_THREAD,), errno.EAGAIN),
            Rule(0, Test.NO_BITS, (_CLONE_NAMESPACES,)),
        ],
        "kill": only_self,
        "tgkill": only_self,
        "prctl": [Rule(0, Test.ONE_OF, _PRCTL_OPTIONS, errno.EINVAL)],
        "ioctl": [Rule(1, Test.ONE_OF, _IOCTLS, errno.ENOTTY)],
        "fcntl": [Rule(1, Test.ONE_OF, _FCNTLS)],
        "prlimit64": [
            Rule(0, Test.ONE_OF, (0, own_pid)),
            Rule(2, Test.ONE_OF, (0,)),
            Rule(2, Test.ONE_OF, (0,), high_word=True),
        ],
    }


def _number(name: str, column: int) -> int | None:
    for table in (
        syscalls.ALLOWED,
        syscalls.WRITES,
        syscalls.BY_ARGUMENT,
        syscalls.PROCESSES,
        syscalls.UNKNOWN,
        syscalls.FATAL,
    ):
        if name in table:
            return table[name][column]
    raise KeyError(name)


def _case(number: int | None, body: list[Instruction]) -> list[Instruction]:
    """`body` for one call; every way through it returns, so the accumulator stays the number."""
    if number is None:
        return []
    return [(_JEQ, 0, len(body), number), *body]


def _checked(rules: Iterable[Rule]) -> list[Instruction]:
    body: list[Instruction] = []
    for rule in rules:
        word = _ARGUMENTS_OFFSET + 8 * rule.argument + (4 if rule.high_word else 0)
        body.append((_LOAD, 0, 0, word))
        if rule.test is Test.ONE_OF:
            last = len(rule.values) - 1
            body += [(_JEQ, last - i + 1, 0, value) for i, value in enumerate(rule.values)]
        elif rule.test is Test.ALL_BITS:
            body.append((_JSET, 1, 0, rule.values[0]))
        else:
            body.append((_JSET, 0, 1, rule.values[0]))
        body.append((_RETURN, 0, 0, _ERRNO | rule.error))
    return [*body, (_RETURN, 0, 0, _ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(*, write_files: bool) -> None:
    """Put the filter on every thread of this process, for good.

    `no_new_privs` must be set.

    Raises:
        OSError: the kernel has no seccomp filters, the machine is unknown, or a thread could not
            be brought under the filter.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no system call table for '{machine}'")
    code = compile_filter(machine, own_pid=os.getpid(), write_files=write_files)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    raw = ctypes.create_string_buffer(bytes(program), ctypes.sizeof(program))
    number = _MACHINES[machine][2]
    thread = libc.syscall("seccomp", number, _SECCOMP_SET_MODE_FILTER, _FLAG_TSYNC, raw)
    if thread:
        raise OSError(
            errno.EBUSY, f"seccomp: thread {thread} could not be brought under the filter"
        )
