"""Which folders a worker must be able to read, and nothing beside them.

Libraries are imported lazily long after the restrictions are in force, so the interpreter, its
standard library and the installed packages stay readable. Never a whole prefix: a virtual
environment may lie at the top of a project whose `data/` holds keys.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

import chimera_pipelines

_SYSTEM = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/sys/devices/system/cpu",
)
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
_LINKED = ("/lib", "/lib64", "/lib32")
PROC_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/self/cgroup")
"""What libraries choose instructions and memory limits by; nothing about other processes."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


@lru_cache(maxsize=1)
def readable() -> tuple[str, ...]:
    """Absolute paths, as named and with links resolved, none within another."""
    wanted: set[str] = set(_SYSTEM) | {path for path in _LINKED if not Path(path).is_symlink()}
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        wanted |= {f"{prefix}/{part}" for part in ("lib", "lib64", "pyvenv.cfg")}
    wanted |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    wanted |= set(site.getsitepackages())
    wanted |= {entry for entry in sys.path if Path(entry).name in _PACKAGE_FOLDERS}
    wanted |= _interpreters()
    wanted.add(str(Path(chimera_pipelines.__file__).parent))
    found = {form for path in wanted for form in _forms(path)}
    return tuple(sorted(p for p in found if not any(_within(p, other) for other in found)))


@lru_cache(maxsize=1)
def parents() -> tuple[str, ...]:
    """Folders above the readable paths, outermost first; `/` and `/tmp` exist in any sandbox."""
    above = {str(parent) for path in readable() for parent in Path(path).parents}
    return tuple(sorted(above - {"/", "/tmp"}))  # noqa: S108 - a name, nothing is made there


@lru_cache(maxsize=1)
def links() -> tuple[tuple[str, str], ...]:
    """System folders that are links here, as (target, link)."""
    return tuple((str(Path(p).readlink()), p) for p in _LINKED if Path(p).is_symlink())


def world_readable(*, through_parents: bool) -> bool:
    """Whether any user can read what the worker needs.

    Args:
        through_parents: also every folder above must let any user pass, as without a mount
            namespace of one's own.
    """
    probes = [os.__file__, chimera_pipelines.__file__, *_interpreters()]
    for path in readable():
        probes.append(path)
        if through_parents:
            probes += [str(parent) for parent in Path(path).parents]
    return all(_open_to_all(path) for path in probes)


def _interpreters() -> set[str]:
    """The interpreter and every link on the way to it."""
    found = set()
    path = Path(sys.executable).absolute()
    while path not in found:
        found.add(path)
        if path.is_symlink():
            path = path.parent / path.readlink()
    return {str(item) for item in found}


def _forms(path: str) -> set[str]:
    if not Path(path).exists():
        return set()
    return {os.path.abspath(path), os.path.realpath(path)}  # noqa: PTH100 - links must stay


def _within(path: str, other: str) -> bool:
    return path != other and path.startswith(other + "/")


def _open_to_all(path: str) -> bool:
    mode = Path(path).stat().st_mode
    wanted = 0o001 if Path(path).is_dir() else 0o004
    return bool(mode & wanted)
