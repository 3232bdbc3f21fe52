"""What an engine is: it compiles structures once and propagates bound circuits many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.quantum.budget import Shots
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.record import CircuitRecord

if TYPE_CHECKING:
    from chimera_pipelines.quantum.sampling import State

METHODS = (
    "automatic",
    "statevector",
    "density_matrix",
    "matrix_product_state",
    "stabilizer",
    "tensor_network",
)
AMPLITUDE_BYTES: Mapping[str, int] = {"single": 8, "double": 16}


@dataclass(frozen=True, slots=True)
class Request:
    """How circuits are to be propagated.

    Attributes:
        shots: samples a circuit (a measured basis), a budget of them, or None for exact results.
        seed: of the run; each circuit and each measured basis draws from its own stream.
        observables: one for every circuit, or None to read the circuits' own measurements.
        method: one of METHODS.
        precision: "single" or "double".
        room: bytes that are free for registers.
        noise: of gates and readout, for a density matrix; None for none.
    """

    shots: Shots
    seed: int
    observables: tuple[Observable, ...] | None = None
    method: str = "automatic"
    precision: str = "double"
    room: int = 1 << 62
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine simulates a circuit by which method, and why (`quantum.planner`).

    Attributes:
        engine: "aer", "qsim", "torch", "lightcone".
        method: one of METHODS but "automatic", or "light_cones".
        reason: in words, for people.
        nbytes: of the state that it is expected to hold.
    """

    engine: str
    method: str
    reason: str
    nbytes: int

    def as_json(self) -> dict[str, JSONValue]:
        """As a kernel's metadata and the snapshot of a register have it."""
        return {
            "engine": self.engine,
            "method": self.method,
            "reason": self.reason,
            "bytes": self.nbytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, JSONValue]) -> Choice:
        """The inverse of `as_json`."""
        return cls(
            str(value["engine"]),
            str(value["method"]),
            str(value["reason"]),
            int(str(value["bytes"])),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One circuit of a run, analysed, and what simulates it; `at` is its place in the run."""

    at: int
    form: Form
    choice: Choice


@dataclass(frozen=True, slots=True, eq=False)
class Evolved:
    """A state vector that waits to be measured; `measured` is classical bit → qubit."""

    record: CircuitRecord
    measured: Mapping[int, int]
    state: State
    choice: Choice | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return int(self.state.nbytes)


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Outcomes of a circuit that was sampled, or evaluated, while it propagated."""

    record: CircuitRecord
    measurement: Measurement
    choice: Choice | None = None

    @property
    def nbytes(self) -> int:
        """Approximate bytes of the outcomes."""
        held = self.measurement.counts or self.measurement.probabilities or {}
        return 64 + sum(len(key) + 64 for key in held)


Held: TypeAlias = Evolved | Collapsed


class Program(Protocol):
    """A compiled structure: angles and starting amplitudes are bound when it runs."""

    @property
    def structure(self) -> str:
        """Digest of the structure it was compiled from."""
        ...

    @property
    def method(self) -> str:
        """The simulation method it was compiled for."""
        ...


class Engine(Protocol):
    """A simulator behind a quantum head, or several with a planner in front of them."""

    @property
    def name(self) -> str:
        """What `doctor` and a run's metadata call it."""
        ...

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far."""
        ...

    def compile(self, form: Form, *, method: str, precision: str) -> Program:
        """The program of a form's structure, compiled at most once while it is kept.

        Raises:
            KernelError: MAML319 for a gate that the method cannot simulate.
        """
        ...

    def propagate(self, circuits: Sequence[Embedded], request: Request) -> tuple[Held, ...]:
        """Each circuit evolved to a state vector, or sampled where none can stand for it.

        Raises:
            KernelError: MAML319 for a request that the circuit cannot answer, MAML413 for states
                that do not fit, with the bytes needed and free.
            HeadUnavailableError: MAML905 for a method that this device has not.
        """
        ...
