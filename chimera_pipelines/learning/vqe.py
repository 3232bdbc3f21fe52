"""Variational eigensolver: the lowest energy that a layered circuit reaches, by Adam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from chimera_pipelines.digest import MAX_INTEGER, JSONValue
from chimera_pipelines.learning.bad_data import ROOM, positive, refused, vector, whole
from chimera_pipelines.learning.checkpoint import Keeping, Store, problem_digest
from chimera_pipelines.learning.circuits import layered
from chimera_pipelines.learning.descent import Descent, descend
from chimera_pipelines.learning.devices import device_of, require_room
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.statevector.hamiltonian import Hamiltonian, operator_bytes
from chimera_pipelines.quantum.statevector.simulator import PRECISIONS, Simulator
from chimera_pipelines.quantum.statevector.steps import Program
from chimera_pipelines.quantum.statevector.tables import table_bytes

_SPREAD = 0.1
_STATES = 4  # the state, H times it, and what one kernel needs of each
MOST_QUBITS = 30


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a descent ended.

    Attributes:
        energy: the lowest of the starts.
        parameters: of that start.
        converged: whether the loss stood still.
        descent: to go on from.
    """

    energy: float
    parameters: tuple[float, ...]
    converged: bool
    descent: Descent


class Minimiser:
    """Energies and gradients of an observable over a program's parameters.

    Args:
        program: its parameters are turned.
        observable: what is made small.
        device: "cpu", "cuda" or "auto".
        precision: of the states, "single" or "double".

    Raises:
        KernelError: MAML413, the states or their tables do not fit.
    """

    def __init__(
        self, program: Program, observable: Observable, *, device: str, precision: str, starts: int
    ) -> None:
        if precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise refused(ROOM, f"no precision {precision!r:.40}", f"there are {known}")
        place = device_of(device)
        dtype = PRECISIONS[precision]
        tables = table_bytes(program, dtype) + operator_bytes(observable, dtype)
        require_room(program.num_qubits, _STATES * starts, precision, place, tables=tables)
        self.simulator = Simulator(program, device=place, precision=precision)
        self.hamiltonian = Hamiltonian(observable, dtype=self.simulator.dtype, device=place)

    def __call__(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (starts,) and slopes (starts, P), on the CPU."""
        values = self.simulator.parameters(parameters)
        energies, slopes = self.simulator.gradient(values, self.hamiltonian)
        return energies.cpu(), slopes.cpu()

    @torch.no_grad()
    def energies(self, parameters: Tensor) -> Tensor:
        """Energies (starts,) alone, on the CPU."""
        values = self.simulator.parameters(parameters)
        return self.simulator.energies(values, self.hamiltonian).double().cpu()


@dataclass(frozen=True, slots=True)
class Descending:
    """How a descent is done; equal for VQE and QAOA.

    Attributes:
        iterations: steps in all.
        rate: of Adam.
        tolerance: 0 takes every step.
        seed: of the starting parameters.
        starts: rows that descend at once.
    """

    iterations: int = 100
    rate: float = 0.1
    tolerance: float = 0.0
    seed: int = 0
    starts: int = 1

    def checked(self) -> Descending:
        """These options, none of which is out of range.

        Raises:
            KernelError: MAML505.
        """
        whole(self.iterations, "iterations", low=0, high=1_000_000)
        positive(self.rate, "rate")
        vector([self.tolerance], "tolerance")
        whole(self.seed, "seed", low=0, high=MAX_INTEGER)
        whole(self.starts, "starts", low=1, high=4096)
        return self


def minimise(
    evaluate: Minimiser,
    begin: Descent,
    options: Descending,
    *,
    store: Store | None = None,
) -> Minimum:
    """Descend from `begin`, or from where the store stands, keeping each iteration in it.

    Raises:
        LearningCheckpointError: the checkpoint is of another problem, or damaged.
        KernelError: MAML904, a loss is not finite.
    """
    kept = None if store is None else store.load()
    descent = begin if kept is None else Descent.of_tensors(kept, of=begin.of)

    def keep(current: Descent) -> None:
        if store is not None:
            store.save(current.tensors())

    converged = descend(
        descent,
        evaluate,
        iterations=options.iterations,
        rate=options.rate,
        tolerance=options.tolerance,
        each=keep,
    )
    energies = evaluate.energies(descent.parameters)
    best = int(energies.argmin())
    found = tuple(descent.parameters[best].tolist())
    return Minimum(float(energies[best]), found, converged, descent)


def starting_points(size: int, options: Descending, *, of: str) -> Descent:
    """Normal starting parameters (starts, size), equal on every device for one seed."""
    generator = torch.Generator().manual_seed(options.seed)
    shape = (options.starts, size)
    return Descent.start(
        torch.randn(shape, generator=generator, dtype=torch.float64) * _SPREAD, of=of
    )


def ansatz_minimiser(
    observable: Observable, layers: int, *, device: str, precision: str, starts: int
) -> Minimiser:
    """Energies of an observable over the parameters of `circuits.layered`.

    Raises:
        KernelError: MAML505 for sizes out of range, MAML413.
    """
    width = whole(observable.num_qubits, "width of the observable", low=1, high=MOST_QUBITS)
    program = layered(width, whole(layers, "layers", low=0, high=1000))
    return Minimiser(program, observable, device=device, precision=precision, starts=starts)


def vqe(
    observable: Observable,
    *,
    layers: int = 2,
    options: Descending | None = None,
    device: str = "auto",
    precision: str = "double",
    resume: object = None,
    keeping: Keeping | None = None,
) -> Minimum:
    """The lowest energy of `observable` that `circuits.layered` reaches.

    Args:
        observable: Pauli strings with real coefficients.
        layers: of the ansatz.
        options: of the descent.
        device: "cpu", "cuda" or "auto".
        precision: of the states.
        resume: JSON of a descent to go on from.
        keeping: store of the state, kept after each iteration and gone on from if there is one.

    Raises:
        KernelError: MAML413, MAML505, MAML904.
        LearningCheckpointError: CHIM780, CHIM781.
    """
    options = options or Descending()
    evaluate = ansatz_minimiser(
        observable, layers, device=device, precision=precision, starts=options.starts
    )
    size = evaluate.simulator.program.num_parameters
    problem = problem_of("vqe", observable, layers, options, precision)
    of = problem_digest(problem)
    if resume is None:
        begin = starting_points(size, options, of=of)
    else:
        begin = Descent.from_json(resume, starts=options.starts, size=size, of=of)
    store = None if keeping is None else keeping(problem)
    return minimise(evaluate, begin, options, store=store)


def problem_of(
    kind: str, observable: Observable, layers: int, options: Descending, precision: str
) -> Mapping[str, JSONValue]:
    """What a checkpoint is of; the number of iterations is not part of it."""
    return {
        "kind": kind,
        "strings": [[string, coefficient] for string, coefficient in observable.strings],
        "layers": layers,
        "rate": options.rate,
        "seed": options.seed,
        "starts": options.starts,
        "precision": precision,
    }
