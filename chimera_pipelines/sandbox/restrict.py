"""The worker restricts itself, for good, before it hears of any stranger.

Order matters. First what later threads inherit (group, uid, capabilities, `no_new_privs`,
Landlock), then the imports, which only read; then limits measured from what the imports took; the
system call filter last, on all threads at once.
"""

from __future__ import annotations

import math
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chimera_pipelines.sandbox import landlock, privileges, seccomp
from chimera_pipelines.sandbox.tiers import Tier

ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TMPDIR": "/tmp",  # noqa: S108 - the session's own, or nothing
    # one thread a library: sums in one order give one digest
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "QISKIT_PARALLEL": "FALSE",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # folders that these make when imported, and need not write
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp",  # noqa: S108
    "TORCHINDUCTOR_CACHE_DIR": "/tmp",  # noqa: S108
}


@dataclass(frozen=True, slots=True)
class Order:
    """What the parent asks for; trusted, it comes before any stranger's text."""

    tier: Tier
    uid: int | None
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    cgroup_fds: tuple[int, ...]
    cpu_s: float
    memory_bytes: int
    processes: int
    tmp_bytes: int
    open_files: int


def apply(order: Order, load: Callable[[], None]) -> list[str]:
    """Restrict this process around `load`, which imports; returns the layers in force, in words.

    Raises:
        OSError: a layer that the tier promises is not to be had.
    """
    os.environ.update(ENVIRONMENT)
    time.tzset()
    tempfile.tempdir = ENVIRONMENT["TMPDIR"]  # libraries ask at import; none need be writable
    for fd in order.cgroup_fds:
        os.write(fd, b"0")  # 0 is whoever writes, in any pid namespace
        os.close(fd)
    sizes = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    own_threads = _threads_of_this_user() if _shares_its_user(order) else 0
    layers = _drop_privileges(order)
    layers += _lay_landlock(order)
    load()
    _limit(order, sizes, own_threads)
    os.close(sizes)
    return layers + _filter_calls(order)


def _drop_privileges(order: Order) -> list[str]:
    if order.uid is not None:
        privileges.become(order.uid)
        layers = ["uid of its own"]
    elif os.geteuid() == 0:
        layers = ["root without capabilities"]
    else:
        layers = [] if order.tier is Tier.BUBBLEWRAP else ["uid of the caller"]
    privileges.drop_capabilities()
    privileges.forbid_new_privileges()
    privileges.die_with_parent()
    if order.tier is Tier.BUBBLEWRAP:
        layers.insert(0, "namespaces")
    return layers


def _lay_landlock(order: Order) -> list[str]:
    """The tier's boundary in the landlock tier, a second line in the bubblewrap tier."""
    if order.tier is Tier.PROCESS or (order.tier is Tier.BUBBLEWRAP and not landlock.abi()):
        return []
    return [f"Landlock ABI {landlock.restrict(order.readable, order.writable)}"]


def _filter_calls(order: Order) -> list[str]:
    try:
        seccomp.install(write_files=bool(order.writable))
    except OSError:
        if order.tier is not Tier.PROCESS:
            raise
        return ["no seccomp"]
    return ["seccomp"]


def _limit(order: Order, sizes: int, own_threads: int) -> None:
    pages = os.pread(sizes, 256, 0).split()
    page = resource.getpagesize()
    _set(resource.RLIMIT_AS, int(pages[0]) * page + order.memory_bytes)
    _set(resource.RLIMIT_DATA, int(pages[5]) * page + order.memory_bytes)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = math.ceil(used.ru_utime + used.ru_stime + order.cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))  # SIGXCPU first, then SIGKILL
    _set(resource.RLIMIT_NPROC, own_threads + order.processes + 1)
    _set(resource.RLIMIT_NOFILE, order.open_files)
    _set(resource.RLIMIT_FSIZE, order.tmp_bytes if order.writable else 0)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_MSGQUEUE, 0)


def _set(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _shares_its_user(order: Order) -> bool:
    """RLIMIT_NPROC counts all threads of a user, those outside of the session too."""
    return order.uid is None and order.tier is not Tier.BUBBLEWRAP


def _threads_of_this_user() -> int:
    own, count = os.getuid(), 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == own:
                    count += len(os.listdir(entry / "task"))  # noqa: PTH208 - no objects wanted
            except OSError:
                continue  # it ended meanwhile, or hides
    return count
