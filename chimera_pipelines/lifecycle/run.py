"""One run of one document: admitted, granted, then kernel by kernel through the phases.

A run is cheap to make again: Dagster's steps may each be in another process, and all of them make
the same `Run` from plan, run id, partition and inputs. What must not be lost between processes lies
in the records, the content store, the ring, the ledger and the History.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from chimera_pipelines.digest import JSONValue, canonical, digest, read_canonical, sha256
from chimera_pipelines.errors import CheckpointError, KernelError
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.lifecycle import admission, calls
from chimera_pipelines.lifecycle.receipts import GrantReceipt, TicketFields, TicketReceipt
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.services import Services, SessionSpec
from chimera_pipelines.lifecycle.spec import BlockSpec, DocumentSpec, KernelSpec
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

_LOG = logging.getLogger(__name__)

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
        stopped: why the run was stopped before its end, or None.
        failures: the last failed attempt of each kernel that has one, in this process.
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
    ) -> Run:
        """Admit a run: permissions, partition, inputs, environment, heads, sandbox.

        Raises:
            UsageError: a partition or input that the document does not take.
            RefusedError: `execute` does not permit it, or it asks for what is not here.
            HeadUnavailableError, SandboxUnavailableError: nothing here may run it.
        """
        settings = services.settings
        admission.check(document, kernels, settings, partition)
        given = admission.run_inputs(document, kernels, inputs)
        services.require_heads(kernels)
        tier = services.tier(document)
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
        heads = sorted({head for kernel in self.kernels.values() for head in kernel.heads})
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
        head = self.head(kernel.heads[0])
        if self.whole and kernel.block.language in ("qiskit", "qasm"):
            head.expect_circuits()
        session: Session = head.open(self.session_spec(kernel))
        with self._lock:
            self._sessions[kernel.name] = session
            late = self.stopped is not None
        if late:  # `stop` came while it was being opened, and did not see it
            session.abort()
        for block in (kernel.block, kernel.feedback):
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

    def keep_register(self, kernel: str, content: str, handle: Any) -> None:
        """Remember a register that lives on a head of this process under its content id."""
        with self._lock:
            self._registers[kernel, content] = handle

    def register(self, kernel: KernelSpec, head: Head, content: str) -> Any:
        """The register with that content id: the live one, or restored from the store."""
        with self._lock:
            handle = self._registers.get((kernel.name, content))
        if handle is None:
            handle = head.restore(self.services.store.get(content))
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
        for handle in handles:
            self.head(handle.head).drop(handle)

    def reusable(self, input_digest: str, kind: str) -> tuple[str, str] | None:
        """Content id of an earlier output and its origin, if one may stand in (MAML.md §8)."""
        if self.force:
            return None
        row = self.services.ledger.find_reusable(input_digest, kind)
        if row is None or not self._whole(row.output_digest):
            return None
        return row.output_digest, f"{row.run_id} seq {row.seq}"

    def _whole(self, content: str) -> bool:
        """Whether an output is stored and its bytes are those of its digest."""
        if not self.services.store.exists(content):
            return False
        try:
            self.services.store.get(content)
        except CheckpointError as error:
            _LOG.warning("%s; it is not reused and its kernel runs again", error.message)
            return False
        return True

    def output(self, content: str) -> JSONValue:
        """A published output by its content id."""
        return read_canonical(self.services.store.get(content))

    def store_output(self, output: JSONValue) -> tuple[str, bytes]:
        """Put an output's canonical text into the content store; returns its id and bytes."""
        text = canonical(output)
        content = self.services.store.put(text, media="application/json")
        if content != sha256(text):
            raise AssertionError(f"content store returned {content} for {sha256(text)}")
        return content, text

    def sign(
        self, invocation: Invocation, status: str, output_digest: str, cuda_ns: int | None
    ) -> TicketReceipt:
        """Append the TICKET of an invocation."""
        head = self.head(invocation.head).describe()
        return self.services.journal(self.document).ticket(
            TicketFields(
                run_id=self.run_id,
                kernel=invocation.kernel,
                status=status,
                head=invocation.head,
                head_kind=head.kind,
                cuda_ns=cuda_ns,
                input_digest=invocation.input_digest,
                output_digest=output_digest,
                partition=invocation.partition,
                sandbox=invocation.tier,
            )
        )

    def fail(self, invocation: Invocation, error: KernelError) -> TicketReceipt:
        """Leave the failed ticket of an attempt and end its session."""
        self.release(invocation.kernel)
        ticket = self.sign(invocation, "failed", digest(error.record()), None)
        self.failures[invocation.kernel] = FailedAttempt(invocation, ticket)
        return ticket

    def finish(self, status: str) -> None:
        """Record that the run has ended: `ok` or `failed`."""
        self.services.journal(self.document).finish(self.run_id, status)

    def close(self) -> None:
        """End every session that is still open."""
        for name in list(self.kernels):
            self.release(name)


def preload(kernel: KernelSpec) -> tuple[str, ...]:
    """Modules that a warm session for this kernel has imported already."""
    if kernel.block.language == "sql":
        return ("duckdb",)
    blocks = [kernel.block] if kernel.feedback is None else [kernel.block, kernel.feedback]
    wanted = {name for block in blocks for name in block.imports}
    if kernel.block.language in ("qiskit", "qasm"):
        wanted.add("qiskit")
    heavy = (
        "numpy",
        "pandas",
        "pymatching",
        "qiskit",
        "scipy",
        "stim",
        "sympy",
        "torch",
        "networkx",
    )
    return tuple(name for name in heavy if name in wanted)
