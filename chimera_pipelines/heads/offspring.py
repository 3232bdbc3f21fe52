"""Processes that the agent forks: heads, which die with it, and run workers, which do not.

The agent has one thread, so a fork copies no lock that another thread holds. A child lets go of the
agent's sockets and lock first: a lock that a run worker kept would make a dead agent look alive.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.heads.proc import look

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_FAILED = 70


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process.

    Attributes:
        pidfd: readable once it has ended.
        created: see `proc.ProcessLook`.
    """

    pid: int
    pidfd: int
    created: int

    def reap(self) -> int | None:
        """Wait status of a process that has ended; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        os.close(self.pidfd)
        return status


def fork(task: Callable[[], int], *, closing: Iterable[int], name: str, dies: bool) -> Child:
    """Run `task` in a new process, whose exit code it returns.

    Args:
        task: never returns to the caller's frames: what it raises ends the process.
        closing: descriptors that the child must not keep.
        name: as `ps` shows it.
        dies: with this process, whatever ends it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be(task, closing, name, parent if dies else None)
    found = look(pid)
    return Child(pid, os.pidfd_open(pid), found.created if found else 0)


def call(entry: str, arguments: Mapping[str, Any]) -> int:
    """Call "module:function" with keyword arguments; an integer result is the exit code."""
    module, _, attribute = entry.partition(":")
    code = getattr(importlib.import_module(module), attribute)(**arguments)
    return code if isinstance(code, int) else 0


def detach(log: str | None, cwd: str, env: Mapping[str, str]) -> None:
    """Leave the agent's session, folder, environment and output."""
    os.setsid()
    os.chdir(cwd)
    os.environ.update(env)
    if log is not None:
        handle = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _be(task: Callable[[], int], closing: Iterable[int], name: str, parent: int | None) -> None:
    """The life of the child; does not return."""
    status = _FAILED
    try:
        _settle(closing, name, parent)
        status = task()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a child must never run on in the agent's frames
        traceback.print_exc()
    finally:
        try:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _settle(closing: Iterable[int], name: str, parent: int | None) -> None:
    import ctypes

    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in closing:
        with suppress(OSError):
            os.close(descriptor)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    if parent is not None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the call above
            os._exit(_FAILED)
