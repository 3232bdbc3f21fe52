"""What a head is to everything above it: identity, sessions, registers, measurement.

`LocalHead` lives in the caller's process; a later form is a client of a head process. Nothing
above this protocol knows which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.budget import Shots
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.engines.protocol import Choice
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.record import CircuitRecord

HeadKind = Literal["quantum", "ai"]


@dataclass(frozen=True, slots=True)
class HeadInfo:
    """A head as others see it.

    Attributes:
        id: HEAD_1 … HEAD_4.
        kind: "quantum" or "ai".
        device: "cpu" or "gpu".
        state: "ready" in this form; a head process has more.
        incarnation: number of its process, counted from 1.
        tags: what a kernel's `head` option may ask for.
        memory_bytes: what its register bank may hold.
    """

    id: str
    kind: HeadKind
    device: Literal["cpu", "gpu"]
    state: str
    incarnation: int
    tags: frozenset[str]
    memory_bytes: int

    def as_json(self) -> dict[str, JSONValue]:
        """As `chimera heads list --json` shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "device": self.device,
            "state": self.state,
            "incarnation": self.incarnation,
            "tags": [*sorted(self.tags)],
            "memory_bytes": self.memory_bytes,
        }


@dataclass(frozen=True, slots=True)
class RegisterHandle:
    """A register in the bank of one head process.

    Attributes:
        process: token of the process that holds it.
        stage: "embedded" after phase 2, "propagated" after phase 3.
        nbytes: what it occupies.
    """

    head: str
    process: str
    id: int
    stage: Literal["embedded", "propagated"]
    nbytes: int

    def as_json(self) -> dict[str, JSONValue]:
        """The handle as JSON, for a phase's record."""
        return {
            "head": self.head,
            "process": self.process,
            "id": self.id,
            "stage": self.stage,
            "nbytes": self.nbytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RegisterHandle:
        """The inverse of `as_json`.

        Raises:
            KernelError: CHIM703 for another shape.
        """
        fields = {"head", "process", "id", "stage", "nbytes"}
        if not isinstance(value, Mapping) or set(value) != fields:
            raise KernelError("CHIM703", "not a register handle")
        stage = value["stage"]
        if stage not in {"embedded", "propagated"}:
            raise KernelError("CHIM703", f"register handle of stage {stage!r}")
        return cls(
            str(value["head"]),
            str(value["process"]),
            int(value["id"]),
            stage,
            int(value["nbytes"]),
        )


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a register gave, one result a circuit.

    Attributes:
        is_list: whether results are a list, also where there is one.
        cuda_ns: CUDA-event time of propagation in nanoseconds; None where no CUDA kernel ran.
        choices: which engine propagated each circuit and why; equal ones once, in order.
    """

    results: tuple[Measurement, ...]
    is_list: bool
    cuda_ns: int | None = None
    choices: tuple[Choice, ...] = ()

    def as_json(self) -> dict[str, JSONValue]:
        """The measurements as JSON, for a phase's record."""
        return {
            "results": [result.as_json() for result in self.results],
            "list": self.is_list,
            "cuda_ns": self.cuda_ns,
            "engines": [choice.as_json() for choice in self.choices],
        }

    to_json = as_json

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measurements:
        """The inverse of `as_json`.

        Raises:
            KernelError: MAML904 for another shape.
        """
        results, cuda_ns = value.get("results"), value.get("cuda_ns")
        if not isinstance(results, list):
            raise KernelError("MAML904", "not measurements", phase="measure")
        return cls(
            tuple(Measurement.from_json(result) for result in results),
            bool(value.get("list")),
            None if cuda_ns is None else int(cuda_ns),
            tuple(Choice.from_json(item) for item in value.get("engines", [])),
        )


class Head(Protocol):
    """One of the four heads."""

    def describe(self) -> HeadInfo:
        """Identity, device, tags and memory."""
        ...

    def open(self, spec: Any) -> Any:
        """A single-use sandbox session for one kernel invocation."""
        ...

    def expect_circuits(self) -> None:
        """Begin, in the background, what takes time before a first circuit can run."""
        ...

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
        """Phase 2: circuits with their state preparations, as one register of several programs.

        Raises:
            KernelError: MAML412 for rows and circuits that do not pair; CHIM704 on an AI head.
        """
        ...

    def propagate(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> RegisterHandle:
        """Phase 3: a new register of evolved or sampled circuits; the embedded one stays.

        Args:
            handle: of an embedded register.
            shots: samples a circuit (a measured basis), a budget, or None for exact results.
            seed: of this pass.
            observable: of every circuit; None to read the circuits' own measurements.

        Raises:
            KernelError: MAML319, MAML413, MAML904, as `engines.protocol.Engine.propagate`;
                CHIM703 for a register that is not here.
        """
        ...

    def measure(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> Measurements:
        """Phase 4: counts, probabilities or expectation values of a propagated register."""
        ...

    def snapshot(self, handle: RegisterHandle) -> bytes:
        """A register as safetensors; equal registers give equal bytes."""
        ...

    def restore(self, data: bytes | memoryview) -> RegisterHandle:
        """A register from a snapshot, measured as the original would be.

        Raises:
            CheckpointError: CHIM705 for bytes that are no snapshot.
        """
        ...

    def drop(self, handle: RegisterHandle) -> None:
        """Forget a register; one that is gone already is no error."""
        ...
