"""The journal of one document: verifies its History, then adds grants, tickets and notes to it.

Group commit: threads queue what they want to add; the first becomes the writer and takes along all
that is ready, under one file lock and one fsync. Verified once in a process, a History is only
read on: the bytes that were judged are known by their digest, and what another process appended
behind them is judged alone. A History that does not verify (801, 802, 803) gets nothing added.

The file is the record. When the ledger refuses what the file already has, the entries stand, and
the ledger is told of them before the next one is added, here or by whoever verifies the file next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from chimera_pipelines.errors import ChimeraError, SettingsError
from chimera_pipelines.ledger.ledger import Ledger, RunRow, TicketRow, TreeHead
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.lifecycle.journal_entries import Draft, ticket_row
from chimera_pipelines.lifecycle.receipts import (
    GrantReceipt,
    SignedTicket,
    TicketFields,
    TicketReceipt,
)
from chimera_pipelines.lifecycle.verdict import Verdict
from chimera_pipelines.maml.history_file import ROTATE_BYTES, HistoryFile, LockedHistory
from chimera_pipelines.maml.history_parts import is_writable, sidecar_path
from chimera_pipelines.maml.names import slug
from chimera_pipelines.tickets import merkle
from chimera_pipelines.tickets.keys import KeyStore
from chimera_pipelines.tickets.verification import Verifier
from chimera_pipelines.timestamps import NS, timestamp

# A run that neither ended nor signed for so long was killed; it no longer holds up a rotation.
ABANDONED_S = 3600
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Request(Generic[_T]):
    """One thread's wish; `outcome` or `error` is set when `done`."""

    write: Callable[[Draft], _T]
    begins_run: str | None = None
    done: bool = False
    outcome: _T | None = None
    error: Exception | None = None


class Journal:
    """The History of one document text, as its gateway writes it. Safe to use from threads.

    Args:
        document_path: the document.
        document_id: `id` of its front matter.
        doc_digest: `doc` of the text that the plan was compiled from.
        keys: the gateway's key store.
        ledger: the machine's record.
        gateway: `gateway://…`, who signs grants.
        home: `CHIMERA_HOME`, for the sidecar of a read-only document.
    """

    def __init__(
        self,
        document_path: Path,
        document_id: str,
        doc_digest: str,
        *,
        keys: KeyStore,
        ledger: Ledger,
        gateway: str,
        home: Path,
    ) -> None:
        self.path = document_path
        self.document_id = document_id
        self.doc = doc_digest
        self._keys = keys
        self._ledger = ledger
        self._gateway = gateway
        self._home = home
        self._slug = slug(document_path.name)
        self._queue: list[_Request[Any]] = []
        self._queueing = threading.Lock()
        self._writing = threading.Lock()
        self._verdict = Verdict(document_path, document_id, doc_digest, keys.ring)
        self._history: HistoryFile | None = None
        self._unrecorded: list[TicketRow] = []
        self._readings: list[Reading] = []

    def grant(self, run_id: str, by: str, heads: Sequence[str], hours: float) -> GrantReceipt:
        """The run's GRANT: the one that stands, else a new one, durably appended.

        Args:
            run_id: ULID of the run.
            by: principal who asked.
            heads: heads that the run may use.
            hours: how long it holds.

        Raises:
            HistoryError: the History does not verify, or the text is another than was compiled.
            UsageError: CHIM225 the History cannot be written, CHIM228 a value has no written form.
        """
        fresh = not self._ledger.granted(run_id)
        receipt = self._submit(lambda draft: draft.grant(run_id, by, heads, hours), run_id)
        if fresh:
            self._ledger.record_document(self.document_id, self._slug, str(self.path.absolute()))
            self._record_run(run_id, "started", by)
        return receipt

    def ticket(self, fields: TicketFields) -> TicketReceipt:
        """The receipt of `signed`."""
        return self.signed(fields).receipt

    def signed(
        self, fields: TicketFields, guard: Callable[[], None] = lambda: None
    ) -> SignedTicket:
        """Sign an invocation with its head's key and append it durably, once.

        Where a ticket stands already for the same run, kernel and inputs with a published output,
        or for the same failed attempt, that one is given: a head that died between signing and
        telling doubles nothing.

        Args:
            fields: what is signed.
            guard: called under the lock of the History; what it raises keeps the ticket out.

        Raises:
            RefusedError: MAML808, no grant of its run covers it.
            HistoryError, UsageError: as `grant`.
        """

        def write(draft: Draft) -> SignedTicket:
            guard()
            return draft.ticket(fields)

        return self._submit(write)

    def tickets(self, run_id: str, kernel: str) -> tuple[SignedTicket, ...]:
        """What stands of a kernel in a run, oldest first.

        Raises:
            HistoryError, UsageError: as `grant`.
        """
        return self._submit(lambda draft: draft.tickets(run_id, kernel))

    def note(self, action: str, text: str) -> None:
        """Append a note.

        Raises:
            UsageError: CHIM228, it has no written form.
            HistoryError: as `grant`.
        """
        self._submit(lambda draft: draft.note(action, text))

    def finish(self, run_id: str, status: str) -> None:
        """Record in the ledger that a run has ended, which lets its History rotate."""
        try:
            self._record_run(run_id, status, None)
        except SettingsError as error:
            _log.warning("the ledger does not know that run %s is %s: %s", run_id, status, error)

    def summary(self) -> dict[str, object]:
        """The `history` object of CLI.md: path, entries, tickets that pass, tree head."""
        with self._writing:
            file = self._file()
            if file.target.exists():
                with file.locked() as history:
                    verifier = self._verified(history)
            else:
                verifier = self._verdict.judge(file.document, file.document.read_bytes(), None)
        root = None if verifier.tree is None else merkle.written(verifier.tree.root)
        tickets = len(verifier.passed("TICKET"))
        return {
            "path": str(file.target),
            "entries": verifier.number,
            "tickets": tickets,
            "root": root,
        }

    def _submit(self, write: Callable[[Draft], _T], begins_run: str | None = None) -> _T:
        request = _Request(write, begins_run)
        with self._queueing:
            self._queue.append(request)
        with self._writing:
            if not request.done:
                with self._queueing:
                    batch, self._queue = self._queue, []
                self._commit(batch)
        if request.error is not None:
            raise request.error
        return request.outcome  # type: ignore[return-value]  # set, as there is no error

    def _commit(self, batch: Sequence[_Request[Any]]) -> None:
        """Write what a batch of threads wants; what one of them does wrong is its own error."""
        try:
            with self._file(claim=True).locked() as history:
                self._verdict.check_text(history)
                self._tell_ledger(None)
                draft = Draft(self._verified(history), self._keys, self._gateway)
                archived = self._rotate(history, draft, batch)
                for request in batch:
                    self._answer(request, draft)
                if draft.entries:
                    self._store(history, draft, archived=archived)
        except Exception as error:  # noqa: BLE001  every waiting thread raises it
            self._verdict.forget()
            for request in batch:
                request.error = request.error or error
        finally:
            for request in batch:
                request.done = True

    def _answer(self, request: _Request[Any], draft: Draft) -> None:
        before = len(draft.entries), draft.verifier.number
        try:
            request.outcome = request.write(draft)
        except Exception as error:
            request.error = error
            if draft.verifier.number - before[1] != len(draft.entries) - before[0]:
                # A new entry that did not verify is in the verifier's tree and in no file.
                raise

    def _store(self, history: LockedHistory, draft: Draft, *, archived: bool) -> None:
        head = TreeHead(self.document_id, draft.verifier.number, draft.root)
        rows = draft.rows(self._slug)
        (history.restart if archived else history.append)(draft.raw)
        self._verdict.remember(history, draft.verifier)
        self._unrecorded += rows
        self._readings += draft.readings()
        self._tell_ledger(head)

    def _tell_ledger(self, head: TreeHead | None) -> None:
        """Tell the ledger of what the file has since it last took something.

        An error would have a kernel that is signed already be signed again as failed, and a run
        that goes well end because a database does not.
        """
        if not self._unrecorded and head is None:
            return
        try:
            self._ledger.record(self._unrecorded, head, self._readings)
        except ChimeraError as error:
            _log.warning("%s has entries that the ledger has not: %s", self.path, error)
        else:
            self._unrecorded, self._readings = [], []

    def _file(self, *, claim: bool = False) -> HistoryFile:
        """The History as it may be written now: the one of last time, which knows its bytes."""
        claim = claim and not is_writable(self.path)
        sidecar = sidecar_path(self._home, self.path, self.document_id, claim=claim)
        file = HistoryFile(self.path, sidecar=sidecar)
        if self._history is None or not self._history.same_place(file):
            self._history = file
        return self._history

    def _verified(self, history: LockedHistory) -> Verifier:
        """The judged History under the lock; raises as `Verdict.of`."""
        verifier, fresh = self._verdict.of(history)
        if fresh:
            # A crash between file and ledger leaves entries that only the file has.
            passed = [judged.entry for judged in verifier.judged if judged.passed]
            rows = [ticket_row(entry, self.document_id, self._slug) for entry in passed]
            waiting = {row.leaf for row in self._unrecorded}
            self._unrecorded[:0] = [row for row in rows if row.leaf not in waiting]
            self._tell_ledger(None)
        return verifier

    def _rotate(self, history: LockedHistory, draft: Draft, batch: Sequence[_Request[Any]]) -> bool:
        """Move the entries to an archive when they are too many, a run begins and no other runs."""
        begins = {request.begins_run for request in batch if request.begins_run}
        if not begins or history.tail_bytes < ROTATE_BYTES:
            return False
        if any(self._runs(run_id, draft.verifier) for run_id in draft.verifier.grants):
            return False
        draft.archive(history.archive())
        return True

    def _runs(self, run_id: str, verifier: Verifier) -> bool:
        """Whether a run may still add tickets: not ended, and active within the last hour."""
        latest = max(
            judged.entry.time_ns or 0
            for judged in verifier.judged
            if judged.entry.fields.get("run") == run_id
        )
        if time.time_ns() - latest > ABANDONED_S * NS:
            return False
        return all(state.status == "started" for state in self._ledger.run_states(run_id))

    def _record_run(self, run_id: str, status: str, principal: str | None) -> None:
        now = timestamp(time.time_ns())
        self._ledger.record_run(RunRow(run_id, self.document_id, status, now, principal))
