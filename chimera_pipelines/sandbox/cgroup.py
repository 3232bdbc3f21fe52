"""A control group for one session, where one may be made: memory in total, and number of tasks.

Version 1 needs a writable `memory` or `pids` hierarchy; version 2 a group of ours, or the one above
it, that hands `memory` down to its children. Where neither is so, there is no group, `Cgroup.facts`
says so, and the limits of the process alone hold.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from chimera_pipelines.sandbox.limits import Limits

_ROOT = Path("/sys/fs/cgroup")
_TASK_RESERVE = 64  # threads of the imports, and of bubblewrap's own processes
_MEMORY_RESERVE = 512 * 1024**2  # pages of the imports themselves
_LIMIT_FILES = (
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.max",
    "memory.limit_in_bytes",
    "memory.max",
)
_STALE_S = 60.0
_numbers = itertools.count()


class Cgroup:
    """The groups of one session; `join` holds descriptors by which a process moves itself in."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self.join = [
            os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in folders
        ]

    @classmethod
    def create(cls, limits: Limits) -> Cgroup:
        """A group with the limits set, empty where none can be made."""
        name = f"chimera-{os.getpid()}-{next(_numbers)}"
        memory = str(limits.memory_bytes + 2 * limits.tmp_bytes + _MEMORY_RESERVE)
        tasks = str(limits.processes + _TASK_RESERVE)
        folders = [
            *_version_1("memory", name, {"memory.limit_in_bytes": memory}),
            *_version_1("pids", name, {"pids.max": tasks}),
        ]
        if not folders:
            folders = _version_2(
                name, {"memory.max": memory, "memory.swap.max": "0", "pids.max": tasks}
            )
        return cls(folders)

    @property
    def facts(self) -> str:
        """What the groups limit, in words."""
        if not self._folders:
            return "no cgroup is writable"
        return "cgroup " + ", ".join(sorted({_kind(folder) for folder in self._folders}))

    def limit_files(self) -> list[str]:
        """Files by which libraries find their limits (DuckDB fails if it may not read them)."""
        folders = {_ROOT, _ROOT / "cpu", _ROOT / "memory", *self._folders}
        for controller in ("", "cpu", "memory"):
            folders.add(_ROOT / controller / (_own(controller) or ""))
        files = [folder / name for folder in folders for name in _LIMIT_FILES]
        return sorted(str(file) for file in files if file.exists())

    def killed_for_memory(self) -> bool:
        """Whether the kernel killed a process of the group for its memory."""
        for folder in self._folders:
            for name in ("memory.oom_control", "memory.events"):
                with suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        key, _, count = line.partition(" ")
                        if key == "oom_kill" and int(count) > 0:
                            return True
        return False

    def release_descriptors(self) -> None:
        """Close the descriptors of `join`, once the worker has its own."""
        for fd in self.join:
            os.close(fd)
        self.join = []

    def close(self) -> None:
        """Remove the groups; their processes must be gone."""
        self.release_descriptors()
        for folder in self._folders:
            for _ in range(50):
                with suppress(OSError):
                    folder.rmdir()
                if not folder.exists():
                    break
                time.sleep(0.005)
        self._folders = []


def _kind(folder: Path) -> str:
    if (folder / "memory.max").exists():
        return "v2"
    return "v1 memory" if (folder / "memory.limit_in_bytes").exists() else "v1 pids"


def _own(controller: str) -> str | None:
    """This process's group in a hierarchy; `""` names version 2."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return path.lstrip("/")
    return None


def _version_1(controller: str, name: str, values: dict[str, str]) -> Iterator[Path]:
    own = _own(controller)
    if own is not None:
        folder = _ROOT / controller / own / name
        if _make(folder, values):
            yield folder


def _version_2(name: str, values: dict[str, str]) -> list[Path]:
    own = _own("")
    if own is None:
        return []
    for root in (_ROOT, _ROOT / "unified"):
        for parent in (root / own, (root / own).parent):
            with suppress(OSError):
                handed = (parent / "cgroup.subtree_control").read_text().split()
                kept = {k: v for k, v in values.items() if k.split(".")[0] in handed}
                if "memory" in handed and _make(parent / name, kept):
                    return [parent / name]
    return []


@lru_cache(maxsize=8)
def _sweep(parent: Path) -> None:
    """Remove, once a process, the empty groups of processes that were killed before they could."""
    for folder in parent.glob("chimera-*-*"):
        with suppress(OSError):
            stale = time.time() - folder.stat().st_mtime > _STALE_S
            if stale and not Path("/proc", folder.name.split("-")[1]).exists():
                folder.rmdir()  # refused while a process is in it


def _make(folder: Path, values: dict[str, str]) -> bool:
    _sweep(folder.parent)
    try:
        folder.mkdir()
    except OSError:
        return False
    try:
        for key, value in values.items():
            if key == "memory.swap.max" and not (folder / key).exists():
                continue  # a kernel without swap accounting
            (folder / key).write_text(value)
        if not os.access(folder / "cgroup.procs", os.W_OK):
            raise PermissionError(1, "cgroup.procs is not writable")
    except OSError:
        folder.rmdir()
        return False
    return True
