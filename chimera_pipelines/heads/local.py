"""Heads in this process: HEAD_1 and HEAD_2 simulate circuits on Aer, HEAD_3 and HEAD_4 run PyTorch.

Strategy: a head opens its engine when the first circuit comes, or in the background when it is told
that one will, so that a document without circuits does not pay for importing Aer. Blocks that
import torch run in the sandbox; an AI head lends its identity, its device and its sessions, and
holds no circuits.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, Literal

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.heads.device import CudaTimer, cuda_memory
from chimera_pipelines.heads.protocol import (
    Head,
    HeadInfo,
    HeadKind,
    Measurements,
    RegisterHandle,
)
from chimera_pipelines.heads.register_bank import (
    Content,
    EmbeddedRegister,
    PropagatedRegister,
    RegisterBank,
)
from chimera_pipelines.heads.simulator import open_engine
from chimera_pipelines.quantum.budget import Shots
from chimera_pipelines.quantum.embedding import Embedding, embed
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Engine, Request
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.record import CircuitRecord

Device = Literal["cpu", "gpu"]
Opener = Callable[[Any], Any]

QUANTUM_HEADS = ("HEAD_1", "HEAD_2")
AI_HEADS = ("HEAD_3", "HEAD_4")
BANK_SHARE = 0.4  # of the machine's memory: two quantum heads leave a fifth for everything else
INCARNATION = 1  # a head of this form lives and dies with its process


class LocalHead:
    """A head whose engine and register bank live in this process."""

    def __init__(
        self,
        head_id: str,
        kind: HeadKind,
        device: Device,
        *,
        memory_bytes: int,
        open_session: Opener | None = None,
        engine: Engine | None = None,
        incarnation: int = INCARNATION,
    ) -> None:
        self._id = head_id
        self._kind = kind
        self._device = device
        self._open = open_session
        self._process = secrets.token_hex(8)
        self._bank = RegisterBank(memory_bytes)
        self._engine = engine
        self._incarnation = incarnation
        self._opening = Lock()

    def describe(self) -> HeadInfo:
        """Identity, device, tags and memory."""
        tags = {self._id, "qiskit" if self._kind == "quantum" else "pytorch"}
        if self._device == "gpu":
            tags.add("cuda")
        if importlib.util.find_spec("pymatching") is not None:
            tags.add("qec")
        return HeadInfo(
            self._id,
            self._kind,
            self._device,
            "ready",
            self._incarnation,
            frozenset(tags),
            self._bank.capacity,
        )

    @property
    def id(self) -> str:
        """HEAD_1 … HEAD_4."""
        return self._id

    @property
    def bank(self) -> RegisterBank:
        """The registers that it holds."""
        return self._bank

    @property
    def engine(self) -> Engine:
        """The simulator, opened at first use.

        Raises:
            HeadUnavailableError: MAML905 when no simulator is installed.
        """
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(self._device)
            return self._engine

    def open_with(self, open_session: Opener) -> None:
        """Let `open` ask this for sessions; for a head that was built before there were any."""
        self._open = open_session

    def expect_circuits(self) -> None:
        """Have the simulator opened in the background; returns at once."""

        def open_it() -> None:
            with suppress(HeadUnavailableError):  # whoever needs it is told
                _ = self.engine

        if self._kind == "quantum" and self._engine is None:
            Thread(target=open_it, name="chimera-engine").start()

    def open(self, spec: Any) -> Any:
        """A single-use sandbox session, by the opener that the head was built with.

        Raises:
            HeadUnavailableError: CHIM706 when it was built with none.
        """
        if self._open is None:
            raise HeadUnavailableError(
                "CHIM706", f"{self._id} opens no sessions here", hint="the run opens them itself"
            )
        return self._open(spec)

    def embed(
        self,
        circuits: tuple[CircuitRecord, ...],
        is_list: bool,  # noqa: FBT001 - as in `circuits_from_json`
        embedding: Embedding | None = None,
        *,
        method: str = "automatic",
        precision: str = "double",
        noise: Mapping[str, float] | None = None,
    ) -> RegisterHandle:
        """Phase 2; see `Head.embed`."""
        self._require_quantum("embed")
        made, several = embed(circuits, embedding, is_list=is_list)
        return self._keep(
            EmbeddedRegister(made, several, method, precision, Noise.from_json(noise))
        )

    def propagate(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> RegisterHandle:
        """Phase 3; see `Head.propagate`."""
        self._require_quantum("propagate")
        content = self._find(handle)
        if not isinstance(content, EmbeddedRegister):
            raise KernelError("CHIM703", "the register is propagated already", phase="propagate")
        request = Request(
            shots=shots,
            seed=seed,
            observables=_observables(observable, [c.record for c in content.circuits]),
            method=content.method,
            precision=content.precision,
            room=self._bank.make_room(),
            noise=content.noise,
        )
        engine = self.engine
        timer = CudaTimer(enabled=self._device == "gpu")
        with timer:
            held = engine.propagate(content.circuits, request)
        return self._keep(PropagatedRegister(held, content.is_list, timer.nanoseconds))

    def measure(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> Measurements:
        """Phase 4; see `Head.measure`."""
        self._require_quantum("measure")
        content = self._find(handle)
        if not isinstance(content, PropagatedRegister):
            raise KernelError("CHIM703", "the register is not propagated yet", phase="measure")
        wanted = _observables(observable, [item.record for item in content.held])
        from chimera_pipelines.quantum import collapse

        results = tuple(
            collapse.measure(item, at, shots, seed, None if wanted is None else wanted[at])
            for at, item in enumerate(content.held)
        )
        chosen = dict.fromkeys(item.choice for item in content.held if item.choice is not None)
        return Measurements(results, content.is_list, content.cuda_ns, tuple(chosen))

    def snapshot(self, handle: RegisterHandle) -> bytes:
        """A register as safetensors; see `heads.snapshot`."""
        from chimera_pipelines.heads import snapshot

        return snapshot.dump(self._find(handle))

    def restore(self, data: bytes | memoryview) -> RegisterHandle:
        """A register from a snapshot; see `Head.restore`."""
        from chimera_pipelines.heads import snapshot

        self._require_quantum("propagate")
        return self._keep(snapshot.load(data))

    def restore_spare(self, content_id: str, data: bytes | memoryview) -> bool:
        """Hold a register for whoever claims it, until its room is needed; False without room.

        Raises:
            CheckpointError: CHIM705, it is no snapshot.
        """
        from chimera_pipelines.heads import snapshot

        return self._bank.keep_spare(content_id, snapshot.load(data))

    def claim(self, content_id: str) -> RegisterHandle | None:
        """The register with that content id that was held; None when it is not here."""
        number = self._bank.claim(content_id)
        if number is None:
            return None
        content = self._bank.get(number)
        return RegisterHandle(self._id, self._process, number, content.stage, content.nbytes)

    def drop(self, handle: RegisterHandle) -> None:
        """Forget a register; one of another process is gone already."""
        if (handle.head, handle.process) == (self._id, self._process):
            self._bank.drop(handle.id)

    def _keep(self, content: Content) -> RegisterHandle:
        number = self._bank.create(content)
        return RegisterHandle(self._id, self._process, number, content.stage, content.nbytes)

    def _find(self, handle: RegisterHandle) -> Content:
        if (handle.head, handle.process) != (self._id, self._process):
            raise KernelError(
                "CHIM703",
                f"register {handle.id} belongs to {handle.head} {handle.process!r}, "
                f"not to {self._id} {self._process!r}",
                phase="propagate",
                hint="restore it from its snapshot",
            )
        return self._bank.get(handle.id)

    def _require_quantum(self, phase: str) -> None:
        if self._kind != "quantum":
            raise KernelError(
                "CHIM704",
                f"{self._id} is an AI head and runs no circuits",
                phase=phase,
                hint="give the kernel head: [qiskit]",
            )


def build_heads(
    device: Device, open_session: Opener | None = None, *, memory_bytes: int | None = None
) -> dict[str, Head]:
    """The four heads on one device, by id.

    Args:
        device: "cpu" or "gpu", of all four.
        open_session: opens a sandbox session for a spec; needed by `Head.open` alone.
        memory_bytes: of each register bank; default two fifths of the device's memory.

    Raises:
        HeadUnavailableError: MAML905 when a GPU is asked for and none can be used.
    """
    size = memory_bytes if memory_bytes is not None else bank_bytes(device)
    kinds: dict[str, HeadKind] = dict.fromkeys(QUANTUM_HEADS, "quantum")
    kinds |= dict.fromkeys(AI_HEADS, "ai")
    return {
        head_id: LocalHead(head_id, kind, device, memory_bytes=size, open_session=open_session)
        for head_id, kind in kinds.items()
    }


def build_head(
    head_id: str, device: Device, *, memory_bytes: int | None, incarnation: int
) -> LocalHead:
    """One head, for a process of its own; arguments and errors as `build_heads`."""
    size = memory_bytes if memory_bytes is not None else bank_bytes(device)
    kind: HeadKind = "quantum" if head_id in QUANTUM_HEADS else "ai"
    return LocalHead(head_id, kind, device, memory_bytes=size, incarnation=incarnation)


def bank_bytes(device: Device) -> int:
    """What a register bank may hold by default: two fifths of the device's memory.

    Raises:
        HeadUnavailableError: MAML905, the device is not there.
    """
    if device == "gpu":
        total = cuda_memory()
    else:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(total * BANK_SHARE)


def _observables(
    given: Mapping[str, float] | None, records: list[CircuitRecord]
) -> tuple[Observable, ...] | None:
    """The observable over each circuit's width."""
    if given is None:
        return None
    return tuple(Observable.from_json(given, record.num_qubits) for record in records)
