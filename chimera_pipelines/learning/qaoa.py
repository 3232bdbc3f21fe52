"""QAOA: angles that make a diagonal cost small, and the best bit string of a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.bad_data import DATA, finite, refused, whole
from chimera_pipelines.learning.checkpoint import Keeping, problem_digest
from chimera_pipelines.learning.circuits import qaoa as circuit
from chimera_pipelines.learning.descent import Descent
from chimera_pipelines.learning.vqe import (
    MOST_QUBITS,
    Descending,
    Minimiser,
    Minimum,
    minimise,
    problem_of,
)
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.reals import shown
from chimera_pipelines.quantum.sampling import generator, sample
from chimera_pipelines.quantum.statevector.hamiltonian import Hamiltonian

_RAMP = 0.75


@dataclass(frozen=True, slots=True)
class Answer:
    """What QAOA found.

    Attributes:
        minimum: expectation value of the cost, angles and the descent.
        bits: the best of the sampled strings, qubit 0 rightmost.
        cost: its cost.
        counts: the sampled strings, most frequent first.
    """

    minimum: Minimum
    bits: str
    cost: float
    counts: Mapping[str, int]


def maxcut(edges: Sequence[object], num_qubits: int) -> Observable:
    """The cost whose value is minus the weight of the cut: sum w (Z_i Z_j - 1)/2.

    Args:
        edges: `[i, j]` or `[i, j, weight]`.
        num_qubits: vertices.

    Raises:
        KernelError: MAML505, naming the edge that is wrong.
    """
    strings: dict[str, float] = {}
    offset = 0.0
    if not isinstance(edges, list | tuple) or not edges:
        raise refused(DATA, "edges are not a list, or are empty")
    for number, edge in enumerate(edges):
        i, j, weight = _edge(edge, number, num_qubits)
        letters = ["I"] * num_qubits
        letters[num_qubits - 1 - i] = letters[num_qubits - 1 - j] = "Z"
        string = "".join(letters)
        strings[string] = strings.get(string, 0.0) + weight / 2
        offset -= weight / 2
    return Observable.from_json({"I" * num_qubits: offset, **strings}, num_qubits)


def _edge(edge: object, number: int, num_qubits: int) -> tuple[int, int, float]:
    if not isinstance(edge, list | tuple) or len(edge) not in (2, 3):
        raise refused(
            DATA, f"edge {number} is {shown(edge)}", "an edge is [i, j] or [i, j, weight]"
        )
    i, j = (whole(v, f"edge {number}: vertex", low=0, high=num_qubits - 1) for v in edge[:2])
    weight = edge[2] if len(edge) == 3 else 1.0  # noqa: PLR2004
    if i == j:
        raise refused(DATA, f"edge {number} joins vertex {i} with itself")
    return i, j, finite(weight, f"edge {number}: weight")


def qaoa(
    cost: Observable,
    *,
    layers: int = 2,
    shots: int = 1024,
    options: Descending | None = None,
    device: str = "auto",
    precision: str = "double",
    resume: object = None,
    keeping: Keeping | None = None,
) -> Answer:
    """Angles that make the expectation value of `cost` small, then a sample of strings.

    Args:
        cost: Pauli strings of I and Z alone.
        layers: p.
        shots: strings that are sampled, with the seed of `options`.
        options, device, precision, resume, keeping: as in `vqe`.

    Raises:
        KernelError: MAML413, MAML505, MAML904.
        LearningCheckpointError: CHIM780, CHIM781.
    """
    options = options or Descending(iterations=60, rate=0.05)
    width = whole(cost.num_qubits, "width of the cost", low=1, high=MOST_QUBITS)
    _require_diagonal(cost)
    program = circuit(width, cost.terms, whole(layers, "layers", low=1, high=1000))
    evaluate = Minimiser(program, cost, device=device, precision=precision, starts=options.starts)
    problem = problem_of("qaoa", cost, layers, options, precision)
    of = problem_digest(problem)
    if resume is None:
        begin = Descent.start(_ramp(layers, cost, options), of=of)
    else:
        begin = Descent.from_json(resume, starts=options.starts, size=2 * layers, of=of)
    store = None if keeping is None else keeping(problem)
    minimum = minimise(evaluate, begin, options, store=store)
    shots = whole(shots, "shots", low=1, high=10_000_000)
    return _sampled(evaluate, minimum, width, shots, options.seed)


def _require_diagonal(cost: Observable) -> None:
    wrong = next((string for string, _ in cost.strings if set(string) - set("IZ")), None)
    if wrong is not None:
        message = f"cost has the string {wrong!r:.80}, which is not diagonal"
        raise KernelError("MAML904", message, phase="propagate", hint="use I and Z alone")


def _ramp(layers: int, cost: Observable, options: Descending) -> Tensor:
    """A linear ramp, as in annealing: g grows, b falls; further starts are disturbed by the seed.

    Angles of the cost are in units of its root mean square coefficient.
    """
    size = max(math.sqrt(math.fsum(c * c for s, c in cost.strings if s.strip("I"))), 1e-12)
    terms = max(1, sum(1 for s, _ in cost.strings if s.strip("I")))
    scale = math.sqrt(terms) / size
    along = (torch.arange(layers, dtype=torch.float64) + 0.5) / layers
    # exp(-i b sum X) with b < 0 starts from the lowest state of -sum X and leads to that of C
    point = torch.cat((along * _RAMP * scale / 2, -(1 - along) * _RAMP))
    generator = torch.Generator().manual_seed(options.seed)
    shape = (options.starts, 2 * layers)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    noise[0] = 0
    return point * (1 + 0.3 * noise)


def _sampled(evaluate: Minimiser, minimum: Minimum, width: int, shots: int, seed: int) -> Answer:
    simulator = evaluate.simulator
    with torch.no_grad():
        state = simulator.run(simulator.parameters(list(minimum.parameters)))[0]
    times = sample(state, shots, generator(seed))
    found = list(times)
    costs = _costs(evaluate.hamiltonian, torch.tensor(found))
    best = int(costs.argmin())
    ordered = sorted(found, key=lambda index: (-times[index], index))
    counts = {format(index, f"0{width}b"): times[index] for index in ordered}
    return Answer(minimum, format(found[best], f"0{width}b"), float(costs[best]), counts)


def _costs(hamiltonian: Hamiltonian, strings: Tensor) -> Tensor:
    """Costs of basis states, float64 on the CPU."""
    return hamiltonian.diagonal()[strings.to(hamiltonian.device)].double().cpu()
