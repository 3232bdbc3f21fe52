"""Where a History lies on disk, and reading all of it (MAML.md §8).

Parts, oldest first: archives beside the document, which name each other by their first entries; the
document; and for a document that may not be written a sidecar under `CHIMERA_HOME`, which continues
the document's own entries (CLI.md).
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.maml.history import SplitText, parse_entries, parse_tail, split
from chimera_pipelines.maml.history_entry import Entry
from chimera_pipelines.maml.names import stem


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """The entries of one file; `archive_read`: what its ARCHIVE names is a part before it."""

    path: Path
    entries: tuple[Entry, ...]
    archive_read: bool = False


@dataclass(frozen=True, slots=True)
class HistoryText:
    """All of a document's History as it lies on disk, oldest part first.

    Attributes:
        document: the document, split.
        parts: archives, the document, its sidecar's archives, its sidecar.
        missing: archives that an ARCHIVE entry names and that are not there.
    """

    document: SplitText
    parts: tuple[HistoryPart, ...]
    missing: tuple[str, ...]


def is_writable(path: Path) -> bool:
    """Whether a History may be kept in this file.

    Mode bits decide as well as `os.access`, which says yes to root whatever they are.
    """
    try:
        file, folder = path.stat(), path.parent.stat()
        mounted_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    any_write = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    return (
        not mounted_read_only
        and bool(file.st_mode & any_write)
        and bool(folder.st_mode & any_write)
        and os.access(path, os.W_OK)
        and os.access(path.parent, os.W_OK | os.X_OK)
    )


def sidecar_path(home: Path, document: Path, document_id: str, *, claim: bool = False) -> Path:
    """The sidecar of a document: `<name>.history.md` under `CHIMERA_HOME`.

    A second document of the same name gets the last eight digits of its id into the name; who has
    the plain name is noted in `.sidecars/`.

    Args:
        home: `CHIMERA_HOME`.
        document: path of the document.
        document_id: its `id`.
        claim: take the plain name if nobody has it.
    """
    name = stem(document.name)
    owner = home / ".sidecars" / name
    if claim:
        _claim(owner, document_id)
    held_by = owner.read_text("utf-8") if owner.exists() else document_id
    if held_by == document_id:
        return home / f"{name}.history.md"
    return home / f"{name}-{document_id[-8:]}.history.md"


def _claim(owner: Path, document_id: str) -> None:
    """Make the owner file unless it is there; who reads it never finds it without its text."""
    if owner.exists():
        return
    owner.parent.mkdir(parents=True, exist_ok=True)
    whole = owner.with_name(f".{owner.name}.{secrets.token_hex(8)}")
    whole.write_text(document_id, "utf-8")
    try:
        with suppress(FileExistsError):
            os.link(whole, owner)
    finally:
        whole.unlink()


def read_history(document: Path, data: bytes, sidecar: Path | None = None) -> HistoryText:
    """Every part of a document's History, archives that lie beside it first.

    Args:
        document: path of the document.
        data: its bytes.
        sidecar: path of its sidecar, which need not exist.

    Raises:
        UsageError: CHIM225, a sidecar or archive is there and cannot be read.
    """
    text = split(data)
    parts, missing = _with_archives(document, parse_tail(text.tail, (text.history_line or 0) + 1))
    if sidecar is not None and sidecar.exists():
        beside = split(read_bytes(sidecar))
        entries = parse_tail(beside.tail, (beside.history_line or 0) + 1)
        more, gone = _with_archives(sidecar, entries)
        parts, missing = [*parts, *more], [*missing, *gone]
    return HistoryText(text, tuple(parts), tuple(missing))


def _with_archives(path: Path, entries: tuple[Entry, ...]) -> tuple[list[HistoryPart], list[str]]:
    """A file's entries behind those of its archives, each named by the first entry of the next."""
    chain: list[tuple[Path, tuple[Entry, ...]]] = [(path, entries)]
    missing = []
    seen: set[str] = set()
    while (name := _archive_named(chain[-1][1])) and name not in seen:
        seen.add(name)
        archive = path.parent / name
        if not archive.exists():
            missing.append(name)
            break
        chain.append((archive, parse_entries(read_bytes(archive).replace(b"\r\n", b"\n"))))
    chain.reverse()
    parts = [HistoryPart(at, found, n > 0) for n, (at, found) in enumerate(chain)]
    return parts, missing


def _archive_named(entries: Sequence[Entry]) -> str | None:
    if not entries or entries[0].action != "ARCHIVE" or entries[0].problem:
        return None
    return entries[0].fields["file"]


def read_bytes(path: Path) -> bytes:
    """The bytes of a part.

    Raises:
        UsageError: CHIM225, it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise failed("cannot read history", path, error) from None


def failed(what: str, path: Path, error: OSError) -> UsageError:
    """What the operating system refused, with the place."""
    return UsageError("CHIM225", f"{what}: {error.strerror or error}", where=Where(str(path)))
