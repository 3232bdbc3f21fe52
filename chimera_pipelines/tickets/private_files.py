"""The files of private keys: a damaged one is an error that names it, and never its content."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chimera_pipelines import file_lock
from chimera_pipelines.errors import SettingsError, Where
from chimera_pipelines.tickets.sealing import from_base64url


def read_record(path: Path) -> dict[str, Any]:
    """A private file as it lies there.

    Raises:
        SettingsError: CHIM223, it cannot be read or is no JSON object.
    """
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise unusable(path, f"cannot read private key: {error}") from None
    if not isinstance(record, dict):
        raise unusable(path, "cannot read private key: no JSON object")
    return record


@contextmanager
def well_formed(path: Path) -> Iterator[None]:
    """What a damaged record makes fail is said with its file, and without its content.

    Raises:
        SettingsError: CHIM223, a part of the record is missing or no such value.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unusable(path, f"private key is damaged: {type(error).__name__}") from None


def unusable(path: Path, message: str, *, hint: str | None = None) -> SettingsError:
    """CHIM223 of that file."""
    return SettingsError("CHIM223", message, where=Where(str(path)), hint=hint)


def read_private(path: Path) -> dict[str, Any]:
    """`read_record` of a file that nobody else may read.

    Raises:
        SettingsError: CHIM223, others may read it, or as `read_record`.
    """
    record = read_record(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise unusable(path, f"private key has mode {mode:04o}", hint=f"chmod 600 {path}")
    return record


def passphrase_salt(folder: Path) -> bytes:
    """One salt for the store below `folder`, so that a process derives once for all its keys."""
    for path in sorted(folder.rglob("*.json")):
        sealed = read_record(path).get("sealed")
        if sealed:
            with well_formed(path):
                return from_base64url(sealed["salt"])
    return secrets.token_bytes(16)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the key store, so that concurrent first uses agree on the same keys.

    Raises:
        UsageError: CHIM229, somebody else holds it for too long.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = root / ".lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        file_lock.take(handle, path)
        yield
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that is either there whole or not at all, and survives a power cut."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
