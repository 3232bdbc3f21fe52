"""What runs of one process share: heads, session pools, stores, ledger, keys, journals.

Everything is made at first use: a document without circuits never imports Aer, a check of the
ledger never starts a sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from threading import RLock
from typing import Any, Protocol, Self

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.local import build_heads
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.heads.simulator import require_simulator
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle import sealing
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.lending import InProcess, Lender
from chimera_pipelines.lifecycle.progress import Progress
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.lifecycle.spec import DocumentSpec, KernelSpec
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.sandbox import tiers
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.pool import SessionPool
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.settings import Settings
from chimera_pipelines.tickets.head_keys import HeadKeyStore
from chimera_pipelines.tickets.keys import KeyStore

KEPT_POOLS = 4
KEPT_JOURNALS = 16


class Here(Protocol):
    """The head whose process this is; `heads.performer.HeadContext` is one."""

    @property
    def id(self) -> str:
        """HEAD_1 … HEAD_4."""

    @property
    def incarnation(self) -> int:
        """Number of this process among those of the head."""

    @property
    def head(self) -> Head:
        """Its engine and register bank."""

    def fenced(self) -> bool:
        """Whether a newer incarnation exists, after which this one may sign nothing."""


class Services:
    """The parts of one process, each made at first use; `close` ends what was started.

    Args:
        settings: of this process.
        here: the head whose process this is; None where heads live in the process of the run.
        lender: finds AI heads for feedback blocks that learn; by default those of this process.
    """

    def __init__(
        self, settings: Settings, *, here: Here | None = None, lender: Lender | None = None
    ) -> None:
        self.settings = settings
        self.here = here
        self.lender: Lender = lender or InProcess(lambda: self.heads)
        self._lock = RLock()
        self._pools: dict[tuple[tiers.Tier, float], SessionPool] = {}
        self._journals: dict[tuple[str, str], Journal] = {}

    @cached_property
    def store(self) -> ContentStore:
        """The content store."""
        return sealing.content_store(self.settings, self.head_keys, self.ring)

    @cached_property
    def progress(self) -> Progress:
        """What runs have published and computed so far, for whoever goes on with them."""
        return Progress(self.settings.root / "runs")

    @cached_property
    def ring(self) -> Ring:
        """The four share stores."""
        return sealing.ring(self.settings, self.head_keys, self._manifests)

    @cached_property
    def states(self) -> StateStore:
        """The heads' saved states."""
        return sealing.states(self.settings, self.head_keys, self._manifests)

    @cached_property
    def head_keys(self) -> HeadKeyStore:
        """The heads' 512-bit keys."""
        return sealing.head_keys(self.settings)

    @property
    def _manifests(self) -> sealing.Manifests:
        return sealing.Manifests(lambda: self.keys)

    @cached_property
    def ledger(self) -> Ledger:
        """The machine's record of runs and tickets."""
        return Ledger(self.settings.ledger)

    @cached_property
    def keys(self) -> KeyStore:
        """Signing keys of the gateway and its heads, made if there are none."""
        store = sealing.key_store(self.settings)
        store.ensure()
        return store

    @cached_property
    def heads(self) -> dict[str, Head]:
        """HEAD_1 … HEAD_4 on the device that settings name; in a head process that head alone.

        Raises:
            HeadUnavailableError: MAML905, the device is not there.
        """
        if self.here is not None:
            return {self.here.id: self.here.head}
        return build_heads(self.settings.device, self._session)

    def incarnation(self, head: Head) -> int:
        """The number of a head's process."""
        return head.describe().incarnation if self.here is None else self.here.incarnation

    def check_fence(self) -> None:
        """Refuse to sign in a process that was replaced; called under the lock of the History.

        Raises:
            HeadUnavailableError: CHIM761, a newer incarnation of this head exists.
        """
        if self.here is not None and self.here.fenced():
            raise HeadUnavailableError(
                "CHIM761",
                f"incarnation {self.here.incarnation} of {self.here.id} was replaced",
                hint="its successor goes on; see 'chimera heads history'",
            )

    def open(self, head: Head, spec: SessionSpec) -> Any:
        """A single-use sandbox session of a head, from the pools of this process."""
        return head.open(spec) if self.here is None else self._session(spec)

    def _session(self, spec: SessionSpec) -> Session:
        return self._pool(spec).acquire(spec.preload)

    def require_heads(self, kernels: Sequence[KernelSpec]) -> None:
        """Refuse what no head here can run, before a grant is written.

        Raises:
            HeadUnavailableError: MAML905, the device or the simulator is not there.
        """
        self.heads  # noqa: B018 - made now, so that a device that is absent is refused now
        if any(kernel.block.language in ("qiskit", "qasm") for kernel in kernels):
            require_simulator()

    def warm(self, spec: SessionSpec) -> None:
        """Have one session started in the background, for a kernel that will soon run."""
        self._pool(spec).warm(spec.preload, count=1)

    def _pool(self, spec: SessionSpec) -> SessionPool:
        # Processor time is bounded by the wall clock that the document allows: blocks compute
        # on one thread, and the sandbox's own clean-up gets a second one.
        key = (spec.tier, 2 * spec.timeout_s)
        with self._lock:
            if key not in self._pools:
                limits = Limits(
                    wall_s=spec.timeout_s, cpu_s=key[1], memory_bytes=self.settings.memory_bytes
                )
                self._pools[key] = SessionPool(spec.tier, limits, size=2)
            return self._pools[key]

    def tier(self, document: DocumentSpec) -> tiers.Tier:
        """The sandbox tier for a document's blocks.

        Raises:
            SandboxUnavailableError: MAML906, none that is allowed here works.
        """
        return tiers.choose(self.settings.sandbox, trusted=document.digest in shipped_examples())

    def journal(self, document: DocumentSpec) -> Journal:
        """The journal of a document's History; one per document and text, so that commits group."""
        key = (str(Path(document.path).absolute()), document.digest)
        with self._lock:
            if key not in self._journals:
                self._journals[key] = Journal(
                    Path(key[0]),
                    document.id,
                    document.digest,
                    keys=self.keys,
                    ledger=self.ledger,
                    gateway=self.settings.gateway,
                    home=self.settings.root,
                )
            return self._journals[key]

    def trim(self) -> None:
        """Let go of the oldest pools and journals, in a process that serves runs without end."""
        with self._lock:
            while len(self._pools) > KEPT_POOLS:
                self._pools.pop(next(iter(self._pools))).close()
            while len(self._journals) > KEPT_JOURNALS:
                del self._journals[next(iter(self._journals))]

    def close(self) -> None:
        """End sandbox sessions and close the ledger."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
            if "ledger" in self.__dict__:
                self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shipped_examples() -> frozenset[str]:
    """Digests of the documents that this package ships; only they may run in the `process` tier."""
    text = (
        resources.files("chimera_pipelines.lifecycle").joinpath("examples.json").read_text("utf-8")
    )
    manifest: dict[str, Any] = json.loads(text)
    return frozenset(manifest["documents"].values())
