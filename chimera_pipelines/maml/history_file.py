"""The writer of a History, which only ever adds to it (MAML.md §8).

Writing is one atomic replacement under a lock (maml/atomic_file.py). Earlier bytes are copied as
they are; only blank lines at the very end make room, because between entries they would be
malformed. What was found out about the bytes is kept from one lock to the next
(maml/history_bytes.py).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.maml import atomic_file
from chimera_pipelines.maml.history import doc_digest, parse_tail, split
from chimera_pipelines.maml.history_bytes import HistoryBytes
from chimera_pipelines.maml.history_parts import failed, is_writable, read_bytes
from chimera_pipelines.maml.names import stem

ROTATE_BYTES = 4 * 1024 * 1024
_Version: TypeAlias = tuple[int, int, int, int]


class HistoryFile:
    """The History of one document, to be appended to.

    Args:
        path: the document; a link is followed, so that it stays one.
        sidecar: where History goes when the document may not be written; None: nowhere else.
    """

    def __init__(self, path: Path, *, sidecar: Path | None = None) -> None:
        self.document = path.resolve()
        self.sidecar = sidecar
        self._last: tuple[Path, _Version, HistoryBytes] | None = None

    @property
    def target(self) -> Path:
        """The file that entries are added to now."""
        if self.sidecar is not None and (self.sidecar.exists() or not is_writable(self.document)):
            return self.sidecar
        return self.document

    def same_place(self, other: HistoryFile) -> bool:
        """Whether both are of the same document and sidecar."""
        return (self.document, self.sidecar) == (other.document, other.sidecar)

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
        last = self._last[1:] if self._last is not None and self._last[0] == target else None
        history = LockedHistory(self.document, target, handle, last)
        try:
            yield history
        finally:
            self._last = target, history.version, history.content
            history.close()


class LockedHistory:
    """A History whose lock is held. Made by `HistoryFile.locked`.

    Attributes:
        document: the document.
        target: the file that entries are added to.
        version: tells its bytes from those it had before.
        content: its bytes.
        familiar: how many of them were there, just so, when the lock was last given back; 0 when
            others were.
    """

    def __init__(
        self,
        document: Path,
        target: Path,
        handle: int,
        last: tuple[_Version, HistoryBytes] | None,
    ) -> None:
        self._handles = [handle]
        self.document = document
        self.target = target
        self._seen = os.fstat(handle)
        self.version = _version(self._seen)
        self.familiar = 0
        if last is not None and last[0] == self.version:
            self.content = last[1]
            self.familiar = len(self.raw)
            return
        raw = read_bytes(target)
        grown = None if last is None else last[1].grown(raw)
        if last is not None and grown is not None:
            self.familiar = len(last[1].raw)
        self.content = grown or HistoryBytes.read(raw)

    def close(self) -> None:
        """Give the lock back."""
        for handle in self._handles:
            os.close(handle)
        self._handles.clear()

    @property
    def raw(self) -> bytes:
        """The target's bytes as they are now."""
        return self.content.raw

    @property
    def doc(self) -> str:
        """Digest of the document's text as it is now."""
        same = self.target == self.document
        return self.content.doc if same else doc_digest(self.document_bytes)

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
        self._write(self.content.with_entries(entries))

    def archive(self) -> str:
        """Copy all entries to a fresh archive beside the target; returns its name.

        An archive with just these bytes, left by a crash before `restart`, is taken again.

        Raises:
            UsageError: as `append`.
        """
        moved = b"".join(entry.raw for entry in parse_tail(split(self.raw).tail, 1))
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
        self._write(HistoryBytes.read(above + b"\n" + b"".join(entries)))

    def _write(self, content: HistoryBytes) -> None:
        try:
            if _version(self.target.stat()) != self.version:
                raise failed("cannot write history", self.target, _CHANGED)
            self._handles.append(atomic_file.replace(self.target, content.raw, like=self._seen))
        except OSError as error:
            raise failed("cannot write history", self.target, error) from None
        self._seen = os.fstat(self._handles[-1])
        self.version = _version(self._seen)
        self.content = content


_CHANGED = OSError(errno.EAGAIN, "it was changed by someone else meanwhile")


def _version(found: os.stat_result) -> _Version:
    """What changes with the bytes: nobody can set the time of the last change of an inode."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def archive_stem(name: str) -> str:
    """`<name>` of `<name>.history-N.md`: without blanks, which would end the field `file`."""
    base = stem(name).removesuffix(".history")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", base)[:180] or "document"


def _raw_tail(raw: bytes) -> bytes:
    """The bytes below the heading line, line ends as they are on disk."""
    heading = list(re.finditer(rb"(?m)^## History(?:\r?\n|\Z)", raw))[-1]
    return raw[heading.end() :]
