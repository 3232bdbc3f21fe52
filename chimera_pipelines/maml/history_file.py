"""Where a History lies on disk, and the writer that only ever adds to it (MAML.md §8).

Parts, oldest first: archives beside the document, which name each other by their first entries; the
document; and for a document that may not be written a sidecar under `CHIMERA_HOME`, which continues
the document's own entries (CLI.md).

Writing is one atomic replacement under a lock (maml/atomic_file.py). Earlier bytes are copied as
they are; only blank lines at the very end make room, because between entries they would be
malformed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.maml import atomic_file
from chimera_pipelines.maml.history import Entry, SplitText, parse_entries, parse_tail, split
from chimera_pipelines.maml.names import stem

ROTATE_BYTES = 4 * 1024 * 1024
_HEADING = b"## History\n"


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
        owner.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            handle = os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with os.fdopen(handle, "w") as file:
                file.write(document_id)
    held_by = owner.read_text("utf-8") if owner.exists() else document_id
    if held_by == document_id:
        return home / f"{name}.history.md"
    return home / f"{name}-{document_id[-8:]}.history.md"


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


class HistoryFile:
    """The History of one document, to be appended to.

    Args:
        path: the document; a link is followed, so that it stays one.
        sidecar: where History goes when the document may not be written; None: nowhere else.
    """

    def __init__(self, path: Path, *, sidecar: Path | None = None) -> None:
        self.document = path.resolve()
        self.sidecar = sidecar

    @property
    def target(self) -> Path:
        """The file that entries are added to now."""
        if self.sidecar is not None and (self.sidecar.exists() or not is_writable(self.document)):
            return self.sidecar
        return self.document

    @contextmanager
    def locked(self) -> Iterator[LockedHistory]:
        """Hold the lock: the only writer, with the bytes as they are now.

        Raises:
            UsageError: CHIM225, the file cannot be opened.
        """
        target = self.target
        try:
            handle = atomic_file.lock(target, create=target == self.sidecar)
        except OSError as error:
            raise failed("cannot open history", target, error) from None
        history = LockedHistory(self.document, target, handle)
        try:
            yield history
        finally:
            history.close()


class LockedHistory:
    """A History whose lock is held. Made by `HistoryFile.locked`."""

    def __init__(self, document: Path, target: Path, handle: int) -> None:
        self._handles = [handle]
        self.document = document
        self.target = target
        self._seen = os.fstat(handle)
        self.raw = read_bytes(target)

    def close(self) -> None:
        """Give the lock back."""
        for handle in self._handles:
            os.close(handle)
        self._handles.clear()

    @property
    def document_bytes(self) -> bytes:
        """The document's bytes as they are now."""
        return self.raw if self.target == self.document else read_bytes(self.document)

    @property
    def tail_bytes(self) -> int:
        """Size of the entries in the target."""
        return len(split(self.raw).tail)

    def append(self, entries: Sequence[bytes]) -> None:
        """Add entries durably: when it returns they survive a power cut.

        Raises:
            UsageError: CHIM225, the disk is full or the file was replaced by someone without lock.
        """
        self._write(with_entries(self.raw, entries))

    def archive(self) -> str:
        """Copy all entries to a fresh archive beside the target; returns its name.

        An archive with just these bytes, left by a crash before `restart`, is taken again.

        Raises:
            UsageError: as `append`.
        """
        moved = b"".join(entry.raw for entry in self._entries())
        base = archive_stem(self.target.name)
        for number in range(1, 10**6):
            path = self.target.parent / f"{base}.history-{number}.md"
            if path.exists() and read_bytes(path) != moved:
                continue
            try:
                os.close(atomic_file.replace(path, moved, like=self._seen))
            except OSError as error:
                raise failed("cannot write archive", path, error) from None
            return path.name
        raise UsageError("CHIM225", "no free archive name", where=Where(str(self.target.parent)))

    def restart(self, entries: Sequence[bytes]) -> None:
        """Leave only these entries, an ARCHIVE first. What they replace must be archived.

        Raises:
            UsageError: as `append`.
        """
        above = self.raw[: len(self.raw) - len(_raw_tail(self.raw))]
        self._write(above + b"\n" + b"".join(entries))

    def _entries(self) -> tuple[Entry, ...]:
        return parse_tail(split(self.raw).tail, 1)

    def _write(self, content: bytes) -> None:
        try:
            if _version(self.target.stat()) != _version(self._seen):
                raise failed("cannot write history", self.target, _CHANGED)
            self._handles.append(atomic_file.replace(self.target, content, like=self._seen))
        except OSError as error:
            raise failed("cannot write history", self.target, error) from None
        self._seen = os.fstat(self._handles[-1])
        self.raw = content


_CHANGED = OSError(errno.EAGAIN, "it was changed by someone else meanwhile")


def _version(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def archive_stem(name: str) -> str:
    """`<name>` of `<name>.history-N.md`: without blanks, which would end the field `file`."""
    base = stem(name).removesuffix(".history")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", base)[:180] or "document"


def with_entries(raw: bytes, entries: Sequence[bytes]) -> bytes:
    """A file's bytes with entries at the end of its History, which is begun where there is none."""
    added = b"".join(entries)
    parts = split(raw)
    if parts.history_line is None:
        if not raw:
            return _HEADING + b"\n" + added
        gap = b"" if raw.endswith(b"\n") else b"\n"
        blank = b"" if raw.replace(b"\r\n", b"\n").endswith(b"\n\n") else b"\n"
        return raw + gap + blank + _HEADING + b"\n" + added
    kept = raw.rstrip(b"\r\n")
    end = b"\r\n" if raw[len(kept) :].startswith(b"\r\n") else b"\n"
    has_entries = bool(parts.tail.strip(b"\n"))
    return kept + end + (b"" if has_entries else b"\n") + added


def _raw_tail(raw: bytes) -> bytes:
    """The bytes below the heading line, line ends as they are on disk."""
    heading = list(re.finditer(rb"(?m)^## History(?:\r?\n|\Z)", raw))[-1]
    return raw[heading.end() :]
