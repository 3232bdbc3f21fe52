"""One run of one document: admitted, granted, then kernel by kernel through the phases.

A run is cheap to make again: Dagster's steps may each be in another process, and all of them make
the same `Run` from plan, run id, partition and inputs. What must not be lost between processes lies
in the records, the content store, the ring, the ledger and the History.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any

from chimera_pipelines.digest import JSONValue, read_canonical
from chimera_pipelines.errors import KernelError, SettingsError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.performer import WrongSignatureError
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.lifecycle import admission, calls, outputs, registers, signing
from chimera_pipelines.lifecycle.lending import Borrowed
from chimera_pipelines.lifecycle.preload import preload
from chimera_pipelines.lifecycle.progress import NoteKey
from chimera_pipelines.lifecycle.receipts import GrantReceipt, SignedTicket, TicketReceipt
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.sealing import close_note, open_note, sealing_of
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.lifecycle.spec import BlockSpec, DocumentSpec, KernelSpec
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.ring.seal import Sealing
from chimera_pipelines.ring.state_records import StateKey, StateRef
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

# Why a run stops when the user asks for it.
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """The last attempt of a kernel that failed, and the ticket that it left."""

    invocation: Invocation
    ticket: TicketReceipt


@dataclass(slots=True)
class Run:
    """A run and what its phases hold on to in this process.

    Attributes:
        inputs: run inputs, defaults applied and valid.
        tier: sandbox tier of all its sessions.
        force: run every kernel, reuse none.
        whole: all phases of a kernel follow in this process, so that what later ones need can be
            begun while the sandbox starts.
        again: kernels that another process had begun: what it signed stands and is taken over.
        borrowed: sessions that other heads lend to feedback blocks.
        told: called when the run is stopped, from whichever thread stops it.
        stopped: why the run was stopped before its end, or None.
        failures: the last failed attempt of each kernel that has one, in this process.
        waited: seconds that each kernel waited for its head, where somebody dispatches.
    """

    document: DocumentSpec
    kernels: Mapping[str, KernelSpec]
    run_id: str
    partition: str | None
    inputs: Mapping[str, JSONValue]
    force: bool
    services: Services
    tier: Tier
    whole: bool = False
    started: float = field(default_factory=time.monotonic)
    stopped: str | None = None
    failures: dict[str, FailedAttempt] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    told: Callable[[], None] = lambda: None
    borrowed: Borrowed = field(default_factory=Borrowed)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _registers: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    @classmethod
    def open(
        cls,
        document: DocumentSpec,
        kernels: Sequence[KernelSpec],
        *,
        run_id: str,
        partition: str | None,
        inputs: Mapping[str, JSONValue],
        force: bool,
        services: Services,
        whole: bool = False,
        tier: Tier | None = None,
    ) -> Run:
        """Admit a run: permissions, partition, inputs, environment, heads, sandbox.

        `tier` is that of the process which began the run, where another one goes on with it.

        Raises:
            UsageError: a partition or input that the document does not take.
            RefusedError: `execute` does not permit it, or it asks for what is not here.
            HeadUnavailableError, SandboxUnavailableError: nothing here may run it.
        """
        settings = services.settings
        admission.check(document, kernels, settings, partition)
        given = admission.run_inputs(document, kernels, inputs)
        services.require_heads(kernels)
        tier = services.tier(document) if tier is None else tier
        by_name = {kernel.name: kernel for kernel in kernels}
        return cls(document, by_name, run_id, partition, given, force, services, tier, whole)

    def begin(self) -> GrantReceipt:
        """Append the GRANT of this run, once; a weaker sandbox is noted before it."""
        journal = self.services.journal(self.document)
        settings = self.services.settings
        if self.tier is Tier.PROCESS and not self.services.ledger.granted(self.run_id):
            asked = settings.sandbox == "process"
            why = "asked for by CHIMERA_SANDBOX" if asked else "document shipped with the package"
            journal.note("SANDBOX", f"run {self.run_id} uses tier process: {why}")
        kernels = self.kernels.values()
        heads = sorted({head for k in kernels for head in (*k.heads, *k.feedback_heads)})
        return journal.grant(self.run_id, settings.principal, heads, settings.grant_hours)

    def left_s(self) -> float:
        """Seconds until the document's `timeout_seconds` is over, in this process; or infinity."""
        limit = self.document.timeout_s
        return math.inf if limit is None else limit - (time.monotonic() - self.started)

    def stop(self, reason: str) -> None:
        """Let no further phase or pass begin, and end the sandboxes; from any thread.

        Kernels that run then fail with MAML903 and `reason`. The first reason stands.
        """
        with self._lock:
            self.stopped = self.stopped or reason
            sessions = list(self._sessions.values())
        for session in sessions:
            session.abort()
        self.borrowed.stop()
        self.told()

    def head_of(self, kernel: KernelSpec) -> Head:
        """The head that runs a kernel here: that of this process, else the kernel's first."""
        here = self.services.here
        return self.head(kernel.heads[0]) if here is None else here.head

    def stamped(self, kernel: KernelSpec, invocation: Invocation) -> Invocation:
        """The invocation as the head that runs it now signs it."""
        head = self.head_of(kernel)
        info = head.describe()
        number = self.services.incarnation(head)
        return replace(invocation, head=info.id, device=info.device, incarnation=number)

    def head(self, name: str) -> Head:
        """The head `name`."""
        return self.services.heads[name]

    def seed(self, kernel: KernelSpec) -> int:
        """Seed of the kernel's first pass."""
        return kernel.seed(self.document.id, self.partition)

    def session(self, kernel: KernelSpec, *, phase: str) -> Session:
        """The kernel's sandbox session with its blocks loaded, opened when there is none here."""
        with self._lock:
            if kernel.name in self._sessions:
                return self._sessions[kernel.name]
        head = self.head_of(kernel)
        if self.whole and kernel.block.language in ("qiskit", "qasm"):
            head.expect_circuits()
        session: Session = self.services.open(head, self.session_spec(kernel))
        with self._lock:
            self._sessions[kernel.name] = session
            late = self.stopped is not None
        if late:  # `stop` came while it was being opened, and did not see it
            session.abort()
        for block in (kernel.block, None if kernel.learns else kernel.feedback):
            if block is not None and block.language in ("python", "qiskit"):
                self._load(session, block, phase)
        return session

    def session_spec(self, kernel: KernelSpec) -> SessionSpec:
        """What a session of the kernel needs."""
        return SessionSpec(self.tier, preload(kernel), kernel.timeout_s)

    def warm(self, kernel: KernelSpec) -> None:
        """Have a session for a kernel that will soon run started in the background."""
        self.services.warm(self.session_spec(kernel))

    def _load(self, session: Session, block: BlockSpec, phase: str) -> None:
        outcome = session.load(
            block.name,
            block.source,
            filename=Path(self.document.path).name,
            first_line=block.first_line,
        )
        calls.returned(outcome, block, file=self.document.path, phase=phase)

    def sealing(self, kernel: KernelSpec) -> Sealing:
        """How artefacts of a kernel are sealed at rest by the head that runs it here."""
        return sealing_of(self.document, kernel, self.head_of(kernel).describe().id)

    def store(self, kernel: KernelSpec) -> ContentStore:
        """The content store, which seals what is put as the kernel's encryption asks."""
        return self.services.store.sealing(self.sealing(kernel))

    def save_register(self, kernel: KernelSpec, data: bytes) -> StateRef:
        """Save a register's snapshot for whoever goes on with the kernel."""
        key = StateKey(self.run_id, kernel.name, self.partition)
        return registers.save(self.services, key, data, self.sealing(kernel))

    def keep_register(self, kernel: str, content: str, handle: Any) -> None:
        """Remember a register that lives on a head of this process under its content id."""
        with self._lock:
            self._registers[kernel, content] = handle

    def register(self, kernel: KernelSpec, head: Head, content: str) -> Any:
        """The register with that content id: the live one, or restored from what was saved."""
        with self._lock:
            handle = self._registers.get((kernel.name, content))
        if handle is None and isinstance(head, LocalHead):
            handle = head.claim(content)
        if handle is None:
            data = registers.load(self.services, self.document.slug, kernel.name, content)
            handle = head.restore(data)
        self.keep_register(kernel.name, content, handle)
        return handle

    def release(self, kernel: str) -> None:
        """End the kernel's session and drop its registers."""
        with self._lock:
            session = self._sessions.pop(kernel, None)
            mine = [key for key in self._registers if key[0] == kernel]
            handles = [self._registers.pop(key) for key in mine]
        if session is not None:
            session.close()
        self.borrowed.give_back(kernel)
        for handle in handles:
            self.head(handle.head).drop(handle)

    def reusable(self, input_digest: str, kind: str) -> tuple[str, str] | None:
        """Content id of an earlier output and its origin, if one may stand in (MAML.md §8)."""
        return None if self.force else outputs.find(self.services, input_digest, kind)

    def output(self, content: str) -> JSONValue:
        """A published output by its content id."""
        return read_canonical(self.services.store.get(content))

    def store_output(self, kernel: KernelSpec, output: JSONValue) -> tuple[str, bytes]:
        """Put an output's canonical text into the content store; returns its id and bytes."""
        return outputs.store(self.store(kernel), output)

    def sign(
        self,
        invocation: Invocation,
        status: str,
        output_digest: str,
        cuda_ns: int | None,
        *,
        checkpoint: Mapping[str, Any] | None = None,
        error: KernelError | None = None,
    ) -> SignedTicket:
        """Append the TICKET of an invocation, or give the one that stands for it already.

        Args:
            invocation: with the seconds of every phase that was run.
            status: of the ticket.
            output_digest: `out` of the ticket.
            cuda_ns: CUDA-event time.
            checkpoint: the stored checkpoint, as in an `Outcome`.
            error: what ended the attempt, for a failed one.

        Raises:
            HeadUnavailableError: CHIM761, this process was replaced.
            WrongSignatureError: CHIM742, this process signs wrongly; the entry is not written.
        """
        fields = signing.ticket_fields(
            self.run_id,
            invocation,
            status,
            output_digest,
            cuda_ns,
            kind=self.head(invocation.head).describe().kind,
            work=self.kernels[invocation.kernel].work,
            waited=self.waited.get(invocation.kernel),
            checkpoint=checkpoint,
            error=error,
        )
        try:
            return self.services.journal(self.document).signed(fields, self.services.check_fence)
        except SettingsError as refused:
            if refused.code == "CHIM224" and self.services.here is not None:
                raise WrongSignatureError(refused.message) from refused
            raise

    def tickets(self, kernel: KernelSpec) -> tuple[SignedTicket, ...]:
        """What is signed of a kernel in this run, oldest first."""
        return self.services.journal(self.document).tickets(self.run_id, kernel.name)

    def standing(self, kernel: KernelSpec, invocation: Invocation) -> SignedTicket | None:
        """The ticket of an output that another process published before it ended."""
        if kernel.name not in self.again:
            return None
        mine = [t for t in self.tickets(kernel) if t.input_digest == invocation.input_digest]
        return next((ticket for ticket in mine if ticket.status != "failed"), None)

    def note(self, kernel: str, name: str, value: Any) -> None:
        """Leave a note of a kernel for the process that may have to go on with it."""
        closed = close_note(value, self.sealing(self.kernels[kernel]), self.services.head_keys)
        self.services.progress.save(NoteKey(self.run_id, kernel, self.partition, name), closed)

    def noted(self, kernel: str, name: str) -> Any:
        """The note of that name, or None."""
        found = self.services.progress.load(NoteKey(self.run_id, kernel, self.partition, name))
        return open_note(found, self.services.head_keys)

    def fail(
        self, invocation: Invocation, error: KernelError, elapsed_s: float = 0.0
    ) -> TicketReceipt:
        """Leave the failed ticket of an attempt and end its session.

        Args:
            invocation: as it was when the phase began that failed.
            error: what went wrong, and in which phase.
            elapsed_s: how long that phase took.
        """
        self.release(invocation.kernel)
        content = outputs.store_error(self.store(self.kernels[invocation.kernel]), error)
        ended = invocation.after(str(error.phase), elapsed_s)
        ticket = self.sign(ended, "failed", content, None, error=error).receipt
        self.failures[invocation.kernel] = FailedAttempt(invocation, ticket)
        return ticket

    def finish(self, status: str) -> None:
        """Record that the run has ended: `ok` or `failed`."""
        self.services.journal(self.document).finish(self.run_id, status)
        self.services.progress.end(self.run_id)
        registers.reclaim(self.services, self.run_id, ok=status == "ok")

    def close(self) -> None:
        """End every session that is still open."""
        for name in list(self.kernels):
            self.release(name)
