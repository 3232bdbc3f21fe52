"""The verdict on a document's History, kept while it grows.

Verified once in a process, a History is only read on: the bytes that were judged are there still,
just so, and what another process appended behind them is judged alone. A History that does not
verify (801, 802, 803) gets nothing added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import HistoryError, Where
from chimera_pipelines.maml.history import as_read, parse_entries
from chimera_pipelines.maml.history_file import LockedHistory
from chimera_pipelines.maml.history_parts import read_history
from chimera_pipelines.tickets.jwks import KeyRing
from chimera_pipelines.tickets.verification import Verifier


@dataclass(frozen=True, slots=True)
class _Known:
    """A History that was judged: the file, how many of its bytes, and what came of it."""

    target: Path
    beside: str
    size: int
    verifier: Verifier = field(repr=False)


class Verdict:
    """What one process knows of one document's History.

    Args:
        document: its path, as messages show it.
        document_id: `id` of its front matter.
        doc: `doc` of the text that the plan was compiled from.
        keys: gives the public keys to verify with.
    """

    def __init__(
        self, document: Path, document_id: str, doc: str, keys: Callable[[], KeyRing]
    ) -> None:
        self._document = document
        self._document_id = document_id
        self._doc = doc
        self._keys = keys
        self._known: _Known | None = None

    def check_text(self, history: LockedHistory) -> None:
        """Refuse to sign for another text than the plan was compiled from.

        Raises:
            HistoryError: MAML806.
        """
        found = history.doc
        if found != self._doc:
            raise HistoryError(
                "MAML806",
                f"the document's text changed since it was compiled: '{found}', not '{self._doc}'",
                where=Where(str(self._document)),
                hint="start the run again with the present text",
            )

    def of(self, history: LockedHistory) -> tuple[Verifier, bool]:
        """The judged History under the lock, and whether all of it was judged anew.

        Raises:
            HistoryError: MAML801, 802 or 803: nothing may be added.
        """
        verifier = self._continued(history)
        fresh = verifier is None
        if verifier is None:
            sidecar = None if history.target == history.document else history.target
            verifier = self.judge(history.document, history.document_bytes, sidecar)
        problem = verifier.blocking
        if problem is not None:
            self.forget()
            raise HistoryError(
                problem.code,
                f"history does not verify, nothing is added: entry {problem.entry}: "
                f"{problem.message}",
                where=Where(str(history.target), problem.line),
                hint=f"chimera verify '{self._document}'",
            )
        self.remember(history, verifier)
        return verifier, fresh

    def _continued(self, history: LockedHistory) -> Verifier | None:
        """The verifier of last time, after what was appended since; None when it does not fit."""
        known = self._known
        if (
            known is None
            or (known.target, known.size) != (history.target, history.familiar)
            or known.beside != _beside(history)
        ):
            return None
        added = as_read(history.raw[known.size :]).rstrip(b"\n")
        if added and not added.startswith(b"- "):
            return None
        line = history.raw.count(b"\n", 0, known.size) + 1 if added else 1
        entries = parse_entries(added + b"\n" if added else b"", line)
        # ARCHIVE may only be a file's first entry, which the added bytes alone do not tell.
        if any(entry.action == "ARCHIVE" for entry in entries):
            return None
        known.verifier.keys = self._keys()
        for entry in entries:
            known.verifier.feed(entry)
        return known.verifier

    def judge(self, document: Path, data: bytes, sidecar: Path | None) -> Verifier:
        """Judge every part of a History."""
        verifier = Verifier(self._document_id, self._doc, self._keys())
        for part in read_history(document, data, sidecar).parts:
            for at, entry in enumerate(part.entries):
                verifier.feed(entry, archive_read=part.archive_read and at == 0)
        return verifier

    def remember(self, history: LockedHistory, verifier: Verifier) -> None:
        """Keep what came of the bytes as they are now."""
        self._known = _Known(history.target, _beside(history), len(history.raw), verifier)

    def forget(self) -> None:
        """Judge all of it the next time."""
        self._known = None


def _beside(history: LockedHistory) -> str:
    """Digest of the document where its History lies in a sidecar."""
    return "" if history.target == history.document else sha256(history.document_bytes)
