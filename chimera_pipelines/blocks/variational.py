"""`vqe`, `qaoa`, `maxcut` and `energy` for blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from chimera_pipelines.blocks.faults import plain_refusals
from chimera_pipelines.blocks.keeping import Kept

if TYPE_CHECKING:
    from chimera_pipelines.learning.vqe import Descending, Minimum
    from chimera_pipelines.quantum.observables import Observable


@plain_refusals
def vqe(
    hamiltonian: Mapping[str, float],
    *,
    layers: int = 2,
    iterations: int = 100,
    rate: float = 0.1,
    tolerance: float = 0.0,
    seed: int = 0,
    starts: int = 1,
    precision: str = "double",
    device: str = "auto",
    resume: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The lowest energy that layers of RY, RZ and CX reach.

    Args:
        hamiltonian: `{"ZZI": -1.0, …}`, qubit 0 rightmost, real coefficients.
        layers: of the circuit.
        iterations: steps of Adam in all, those before `resume` included.
        rate: of Adam.
        tolerance: stop when the energy moved by less in each of five steps; 0 takes all steps.
        seed: of the starting parameters.
        starts: sets of parameters that descend at once; the best one is returned.
        precision: of the states, "single" or "double".
        device: "cpu", "cuda", or "auto" for CUDA where it is.
        resume: the `state` of an earlier call with the same arguments; the end is the same as if
            that call had taken all iterations.

    Returns:
        `{energy, parameters, losses, iterations, converged, state}`.

    Raises:
        BlocksError: MAML904 for the Hamiltonian, MAML505 for other arguments, MAML413 for states
            that do not fit, MAML905 for a device that is not there, CHIM780 for the state of
            another problem.
    """
    from chimera_pipelines.learning.vqe import vqe as run

    options = _options(iterations, rate, tolerance, seed, starts)
    found = run(
        _observable(hamiltonian),
        layers=layers,
        options=options,
        device=device,
        precision=precision,
        resume=resume,
        keeping=partial(Kept, steps=options.iterations),
    )
    return _minimum(found)


@plain_refusals
def energy(
    hamiltonian: Mapping[str, float],
    parameters: Sequence[float],
    *,
    layers: int = 2,
    shots: int | None = None,
    seed: int = 0,
    precision: str = "double",
    device: str = "auto",
) -> dict[str, Any]:
    """Energy and gradient of `vqe`'s circuit at given parameters, for a descent of one's own.

    Args:
        hamiltonian: as in `vqe`.
        parameters: 2 · qubits · (layers + 1) angles.
        layers: of the circuit.
        shots: of each measured basis; the gradient is then of parameter shift, from two circuits
            an angle, as on a quantum computer. None: exact, by the adjoint.
        seed: of the shots.
        precision: "single" or "double".
        device: as in `vqe`.

    Returns:
        `{energy, gradient}`, of shots `{energy, error, gradient}`: `error` is the energy's
        standard error, None where one shot shows no spread.

    Raises:
        BlocksError: as `vqe`.
    """
    from chimera_pipelines.digest import MAX_INTEGER
    from chimera_pipelines.learning.bad_data import vector, whole
    from chimera_pipelines.learning.shots import shot_gradient
    from chimera_pipelines.learning.vqe import ansatz_minimiser

    observable = _observable(hamiltonian)
    evaluate = ansatz_minimiser(observable, layers, device=device, precision=precision, starts=1)
    size = evaluate.simulator.program.num_parameters
    values = vector(parameters, "parameters", size=size)[None]
    if shots is not None:
        found = shot_gradient(
            evaluate,
            observable,
            values,
            shots=whole(shots, "shots", low=1, high=10_000_000),
            seed=whole(seed, "seed", low=0, high=MAX_INTEGER),
        )
        return {"energy": found.energy, "error": found.error, "gradient": list(found.slopes)}
    energies, slopes = evaluate(values)
    return {"energy": float(energies[0]), "gradient": slopes[0].tolist()}


@plain_refusals
def maxcut(edges: Sequence[Sequence[float]], vertices: int) -> dict[str, float]:
    """The cost of a cut for `qaoa`: minus the weight of the edges that are cut.

    Args:
        edges: `[i, j]` or `[i, j, weight]`.
        vertices: how many there are.

    Returns:
        `{pauli: coefficient}`.

    Raises:
        BlocksError: MAML505, naming the edge.
    """
    from chimera_pipelines.learning.bad_data import whole
    from chimera_pipelines.learning.qaoa import maxcut as cost_of
    from chimera_pipelines.learning.vqe import MOST_QUBITS

    return dict(cost_of(edges, whole(vertices, "vertices", low=2, high=MOST_QUBITS)).strings)


@plain_refusals
def qaoa(
    cost: Mapping[str, float],
    *,
    layers: int = 2,
    iterations: int = 60,
    rate: float = 0.05,
    tolerance: float = 0.0,
    shots: int = 1024,
    seed: int = 0,
    starts: int = 1,
    precision: str = "double",
    device: str = "auto",
    resume: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Angles that make a diagonal cost small, and the best bit string of a sample.

    Args:
        cost: `{"ZZI": 0.5, …}` of I and Z alone; see `maxcut`.
        layers: p.
        iterations, rate, tolerance, starts, precision, device, resume: as in `vqe`.
        shots: strings that are sampled.
        seed: of further starts and of the sample.

    Returns:
        What `vqe` does, and `{bits, cost, counts}`: qubit 0 is the rightmost bit.

    Raises:
        BlocksError: as `vqe`.
    """
    from chimera_pipelines.learning.qaoa import qaoa as run

    options = _options(iterations, rate, tolerance, seed, starts)
    found = run(
        _observable(cost),
        layers=layers,
        shots=shots,
        options=options,
        device=device,
        precision=precision,
        resume=resume,
        keeping=partial(Kept, steps=options.iterations),
    )
    sample = {"bits": found.bits, "cost": found.cost, "counts": dict(found.counts)}
    return _minimum(found.minimum) | sample


def _observable(strings: object) -> Observable:
    from chimera_pipelines.quantum.observables import Observable

    first = next(iter(strings), "") if isinstance(strings, Mapping) else ""
    width = len(first) if isinstance(first, str) else 0
    return Observable.from_json(strings, width)  # type: ignore[arg-type]


def _options(iterations: int, rate: float, tolerance: float, seed: int, starts: int) -> Descending:
    from chimera_pipelines.learning.vqe import Descending

    return Descending(iterations, rate, tolerance, seed, starts).checked()


def _minimum(found: Minimum) -> dict[str, Any]:
    descent = found.descent
    return {
        "energy": found.energy,
        "parameters": list(found.parameters),
        "losses": list(descent.losses),
        "iterations": descent.iteration,
        "converged": found.converged,
        "state": descent.as_json(),
    }
