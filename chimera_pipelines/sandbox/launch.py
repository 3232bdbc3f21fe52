"""Starting a worker process in a tier, and learning how it ended.

The kernel kills a worker when the *thread* that started it ends (PR_SET_PDEATHSIG), so all workers
are started by one thread that lives as long as this process. Environments are empty but for the
hash seed, bubblewrap's own too: its first process keeps what it got, readable inside as
`/proc/1/environ`.
"""

from __future__ import annotations

import itertools
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from chimera_pipelines.errors import SandboxUnavailableError
from chimera_pipelines.sandbox import paths
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.tiers import Tier

_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set of strings is part of the result
    # So is memory that a library reads before it writes: new memory is zero. PyTorch 2.13 gives
    # LAPACK's gelsy (torch.linalg.lstsq) a pivot array that it never sets.
    "MALLOC_PERTURB_": "255",
}
_WORKER = ("-s", "-P", "-B", "-m", "chimera_pipelines.sandbox.worker")
_FIRST_UID, _UIDS = 61184, 4336  # the range that systemd keeps for users made on the fly
_SIGNAL_BASE = 128
_CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN = 6, 7, 21


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended: `signal` is a name, `cpu_s` user and system time of all its processes."""

    code: int | None
    signal: str | None
    cpu_s: float


class Process:
    """A worker and the parent's ends of its pipes."""

    def __init__(
        self, child: subprocess.Popen[bytes], tier: Tier, pipes: tuple[int, int, int, int]
    ) -> None:
        self.tier = tier
        self.requests, self.replies, self.stdout, self.stderr = pipes
        self._child = child
        self._exit: Exit | None = None

    @property
    def pid(self) -> int:
        """Process id of the worker, or of bubblewrap around it."""
        return self._child.pid

    def set_niceness(self, value: int) -> None:
        """Lower or restore the priority; quietly nothing where that is not allowed."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self.pid, value)

    def kill(self) -> None:
        """Kill it, if it has not been waited for."""
        if self._exit is None:
            os.kill(self.pid, signal.SIGKILL)

    def end(self, *, patience_s: float = 0.0) -> Exit:
        """Wait `patience_s` for it to end, kill it after that, close the pipes."""
        if self._exit is None:
            self._exit = self._reap(time.monotonic() + patience_s)
            for fd in (self.requests, self.replies, self.stdout, self.stderr):
                os.close(fd)
        return self._exit

    def _reap(self, deadline: float) -> Exit:
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                return self._ended(status, usage.ru_utime + usage.ru_stime)
            time.sleep(0.002)
        self.kill()
        _, status, usage = os.wait4(self.pid, 0)
        return self._ended(status, usage.ru_utime + usage.ru_stime)

    def _ended(self, status: int, cpu_s: float) -> Exit:
        code = os.waitstatus_to_exitcode(status)
        self._child.returncode = code
        if self.tier is Tier.BUBBLEWRAP and code > _SIGNAL_BASE:
            code = _SIGNAL_BASE - code  # bubblewrap reports its child's signal as a shell does
        if code >= 0:
            return Exit(code, None, cpu_s)
        try:
            return Exit(None, signal.Signals(-code).name, cpu_s)
        except ValueError:
            return Exit(-code + _SIGNAL_BASE, None, cpu_s)


def start(tier: Tier, limits: Limits, inherit: tuple[int, ...] = ()) -> tuple[Process, int | None]:
    """A worker that waits for its first frame, and the uid that it is to take on (None: its own).

    Args:
        inherit: further descriptors that it gets under the same numbers.

    Raises:
        SandboxUnavailableError: CHIM301, bubblewrap is not installed or nothing can be started.
    """
    uid = _uid(tier)
    pairs = _pipes(4)
    (request_read, requests), *out = pairs
    replies, stdout, stderr = (read for read, _ in out)
    reply_write, stdout_write, stderr_write = (write for _, write in out)
    worker = [sys.executable, *_WORKER, str(reply_write)]
    try:
        command = _bubblewrap(worker, limits, uid) if tier is Tier.BUBBLEWRAP else worker
        child = _spawner.run(
            lambda: subprocess.Popen(
                command,
                stdin=request_read,
                stdout=stdout_write,
                stderr=stderr_write,
                pass_fds=(reply_write, *inherit),
                env={} if tier is Tier.BUBBLEWRAP else _ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        )
    except OSError as error:
        for fd in (requests, replies, stdout, stderr):
            os.close(fd)
        raise SandboxUnavailableError("CHIM301", f"sandbox cannot be started: {error}") from error
    finally:
        for fd in (request_read, reply_write, stdout_write, stderr_write):
            os.close(fd)
    return Process(child, tier, (requests, replies, stdout, stderr)), uid


def _pipes(count: int) -> list[tuple[int, int]]:
    """Pipes, all of them or none.

    Raises:
        SandboxUnavailableError: CHIM301, too many files are open.
    """
    made: list[tuple[int, int]] = []
    try:
        while len(made) < count:
            made.append(os.pipe())
    except OSError as error:
        for fd in itertools.chain(*made):
            os.close(fd)
        raise SandboxUnavailableError("CHIM301", f"sandbox cannot be started: {error}") from error
    return made


def _uid(tier: Tier) -> int | None:
    """A uid for one session: only as root, and only if the interpreter stays within its reach."""
    if os.geteuid() != 0 or not _holds(_CAP_SETUID, _CAP_SETGID):
        return None
    if tier is Tier.BUBBLEWRAP and _needs_user_namespace():
        return None
    if not paths.world_readable(through_parents=tier is not Tier.BUBBLEWRAP):
        return None
    return _FIRST_UID + next(_uids) % _UIDS


_uids = itertools.count(random.SystemRandom().randrange(_UIDS))


def _needs_user_namespace() -> bool:
    """Root without CAP_SYS_ADMIN, as in a plain container, gets namespaces as any user does."""
    return os.geteuid() != 0 or not _holds(_CAP_SYS_ADMIN)


def _holds(*capabilities: int) -> bool:
    with open("/proc/self/status") as status:  # noqa: PTH123 - not a file of a user
        effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return all(int(effective, 16) >> capability & 1 for capability in capabilities)


def _bubblewrap(worker: list[str], limits: Limits, uid: int | None) -> list[str]:
    program = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if program is None:
        raise FileNotFoundError(2, "bubblewrap (bwrap) is not installed")
    size = str(limits.tmp_bytes)
    arguments = [program, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent"]
    arguments += ["--cap-drop", "ALL"]
    if _needs_user_namespace():
        arguments += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    elif uid is not None:
        arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    arguments += [part for key, value in _ENVIRONMENT.items() for part in ("--setenv", key, value)]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/dev/shm", "/tmp"):  # noqa: S108 - the session's own
        arguments += ["--perms", "1777", "--size", size, "--tmpfs", folder]
    arguments += ["--remount-ro", "/dev"]
    for target, link in paths.links():
        arguments += ["--symlink", target, link]
    for folder in paths.parents():  # bubblewrap itself would make them for root alone
        arguments += ["--perms", "0755", "--dir", folder]
    for path in paths.readable():
        arguments += ["--ro-bind", path, path]
    return [*arguments, "--remount-ro", "/", "--chdir", "/", "--", *worker]


class _Spawner:
    """Runs functions on one daemon thread; a forked child gets a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._work: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()

    def run(self, act: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._owner != os.getpid():
                self._owner = os.getpid()
                self._work = queue.SimpleQueue()
                threading.Thread(
                    target=self._loop, args=(self._work,), name="chimera-spawner", daemon=True
                ).start()
        done: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((act, done))
        return done.result()

    def _loop(
        self,
        work: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ],
    ) -> None:
        while True:
            act, done = work.get()
            try:
                done.set_result(act())
            except Exception as error:  # noqa: BLE001 - whoever asked raises it; the next must be served
                done.set_exception(error)


_spawner = _Spawner()
