"""One writer at a time, and files that are either old or new, each whole.

The lock is `flock` on the file itself, so that no lock file litters a documents folder. Who waited
for it looks whether the file was replaced meanwhile; a writer locks the new file before it gets the
name, so the lock has no gap. A replacement is a temporary file beside it, fsynced, renamed over the
old one, and the folder fsynced: a crash at any point leaves one of the two.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from chimera_pipelines import file_lock

_TEMPORARY = ".history-tmp"
_STALE_S = 60.0


def lock(path: Path, *, create: bool) -> int:
    """A handle with the exclusive lock of the file that now has this path.

    Raises:
        UsageError: CHIM229, somebody else holds it for too long.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags |= os.O_CREAT
    while True:
        handle = os.open(path, flags, 0o644)
        try:
            file_lock.take(handle, path)
            mine = os.fstat(handle)
            now = path.stat()
        except FileNotFoundError:
            os.close(handle)
            continue
        except BaseException:
            os.close(handle)
            raise
        if (mine.st_dev, mine.st_ino) == (now.st_dev, now.st_ino):
            return handle
        # Another writer renamed a new file over it while we waited: its lock is the one to have.
        os.close(handle)


def replace(path: Path, content: bytes, *, like: os.stat_result) -> int:
    """Put content under a name in one step, durably, with the mode and owner of `like`.

    Returns:
        A handle of the new file that holds its lock.
    """
    _sweep(path)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_TEMPORARY}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        os.fchmod(handle, stat.S_IMODE(like.st_mode))
        # Only root may give a file away; the document then belongs to whoever ran it.
        with suppress(PermissionError):
            os.fchown(handle, like.st_uid, like.st_gid)
        os.fsync(handle)
        fresh.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        os.close(handle)
        fresh.unlink(missing_ok=True)
        raise
    return handle


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sweep(path: Path) -> None:
    """Remove temporary files that a killed writer of this file left."""
    old = time.time() - _STALE_S
    for left in path.parent.glob(f".{_escaped(path.name)}.*{_TEMPORARY}"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < old:
                left.unlink()


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
