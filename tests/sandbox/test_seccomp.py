"""The filter, interpreted here instruction by instruction, on both architectures."""

from __future__ import annotations

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.sandbox import seccomp, syscalls

ALLOW, KILL = 0x7FFF0000, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
OWN = 4711
MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def error(number: int) -> int:
    return 0x00050000 | number


def judge(
    machine: str, number: int, *arguments: int, write_files: bool = False, arch: int | None = None
) -> int:
    """What the kernel would answer: a classic BPF machine over `struct seccomp_data`."""
    code = seccomp.compile_filter(machine, own_pid=OWN, write_files=write_files)
    padded = [value & (1 << 64) - 1 for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number, AUDIT[machine] if arch is None else arch, 0, *padded)
    accumulator, at = 0, 0
    program = list(struct.iter_unpack("=HBBI", code))
    assert len(program) < 4096
    while True:
        operation, yes, no, value = program[at]
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            at += yes if holds else no


def number_of(machine: str, name: str) -> int:
    for table in (
        syscalls.ALLOWED,
        syscalls.WRITES,
        syscalls.BY_ARGUMENT,
        syscalls.PROCESSES,
        syscalls.UNKNOWN,
        syscalls.FATAL,
    ):
        if name in table:
            number = table[name][COLUMN[machine]]
            assert number is not None
            return number
    raise KeyError(name)


@MACHINES
def test_each_call_gets_the_answer_of_its_table(machine: str) -> None:
    for table, answer in (
        (syscalls.ALLOWED, ALLOW),
        (syscalls.WRITES, error(errno.EROFS)),
        (syscalls.PROCESSES, error(errno.EAGAIN)),
        (syscalls.UNKNOWN, error(errno.ENOSYS)),
        (syscalls.FATAL, KILL),
    ):
        for name, numbers in table.items():
            number = numbers[COLUMN[machine]]
            if number is not None:
                assert judge(machine, number) == answer, name


@MACHINES
@given(number=st.integers(0, 2**32 - 1))
def test_what_stands_in_no_table_is_refused(machine: str, number: int) -> None:
    known = {
        numbers[COLUMN[machine]]
        for table in (
            syscalls.ALLOWED,
            syscalls.WRITES,
            syscalls.BY_ARGUMENT,
            syscalls.PROCESSES,
            syscalls.UNKNOWN,
            syscalls.FATAL,
        )
        for numbers in table.values()
    }
    if number not in known:
        assert judge(machine, number) in {error(errno.EPERM), error(errno.ENOSYS), KILL}


@MACHINES
def test_tables_do_not_overlap(machine: str) -> None:
    numbers = [
        found[COLUMN[machine]]
        for table in (
            syscalls.ALLOWED,
            syscalls.WRITES,
            syscalls.BY_ARGUMENT,
            syscalls.PROCESSES,
            syscalls.UNKNOWN,
            syscalls.FATAL,
        )
        for found in table.values()
        if found[COLUMN[machine]] is not None
    ]
    assert len(numbers) == len(set(numbers))


def test_other_architectures_of_the_machine_are_killed() -> None:
    assert judge("x86_64", 0, arch=0x40000003) == KILL  # i386 calls of an x86_64 kernel
    assert judge("x86_64", 0x40000000 | 39) == KILL  # x32
    assert judge("aarch64", 63, arch=0x40000028) == KILL


@MACHINES
@pytest.mark.parametrize("command", [8, 10, 15, 1024, 1026, 2**32 - 1])
def test_fcntl_sends_no_signals_and_holds_no_leases(machine: str, command: int) -> None:
    fcntl = number_of(machine, "fcntl")
    assert judge(machine, fcntl, 3, command) == error(errno.EPERM)
    assert judge(machine, fcntl, 3, 1030) == ALLOW  # F_DUPFD_CLOEXEC


@MACHINES
def test_clone_makes_threads_only(machine: str) -> None:
    clone = number_of(machine, "clone")
    assert judge(machine, clone, 0x3D0F00) == ALLOW  # what pthread_create asks for
    assert judge(machine, clone, 17) == error(errno.EAGAIN)
    assert judge(machine, clone, 0x4100 | 17) == error(errno.EAGAIN)
    for namespace in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x40000000):
        assert judge(machine, clone, 0x3D0F00 | namespace) == error(errno.EPERM)


@MACHINES
def test_signals_reach_the_process_itself_alone(machine: str) -> None:
    for name in ("kill", "tgkill"):
        number = number_of(machine, name)
        assert judge(machine, number, OWN, 6) == ALLOW
        for other in (1, 0, -1, -OWN, OWN + 1):
            assert judge(machine, number, other, 9) == error(errno.EPERM)


@MACHINES
def test_limits_are_read_not_set(machine: str) -> None:
    number = number_of(machine, "prlimit64")
    assert judge(machine, number, 0, 9, 0, 0x1000) == ALLOW
    assert judge(machine, number, 0, 9, 0x1000) == error(errno.EPERM)
    assert judge(machine, number, 0, 9, 0x1000_0000_0000) == error(errno.EPERM)
    assert judge(machine, number, 1, 9, 0) == error(errno.EPERM)


@MACHINES
def test_files_open_for_writing_only_where_the_tier_has_a_place(machine: str) -> None:
    number = number_of(machine, "openat")
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_RDONLY | os.O_APPEND):
        assert judge(machine, number, -100, 0, flags) == error(errno.EROFS)
        assert judge(machine, number, -100, 0, flags, write_files=True) == ALLOW
    assert judge(machine, number, -100, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOW


@MACHINES
def test_terminals_take_no_input_from_inside(machine: str) -> None:
    number = number_of(machine, "ioctl")
    assert judge(machine, number, 1, 0x5413) == ALLOW
    for request in (0x5412, 0x541C, 0x89FF):
        assert judge(machine, number, 1, request) == error(errno.ENOTTY)


@MACHINES
def test_death_with_the_parent_stays(machine: str) -> None:
    number = number_of(machine, "prctl")
    assert judge(machine, number, 15) == ALLOW
    for option in (1, 4, 22, 0x59616D61):
        assert judge(machine, number, option) == error(errno.EINVAL)
