"""Evolution under a Hamiltonian: steps for a tolerance, formulas, and circuits that evolve.

A kernel's `evolution` option acts after its circuit and before the measurements, as operations of
the record, so that any engine runs it; `evolution_states` is the fused form on a state vector. All
times of a list take the same number of steps: the circuits then share one compiled structure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.gates import MEASURE
from chimera_pipelines.quantum.hamiltonian import Group, PauliSum
from chimera_pipelines.quantum.operations import MAX_OPERATIONS, Operation
from chimera_pipelines.quantum.pauli_rotations import rotation
from chimera_pipelines.quantum.product_formulas import ORDERS, merged, stages, step_constant
from chimera_pipelines.quantum.record import CircuitRecord

MAX_STEPS = 100_000
MAX_TIMES = 4_096
DEFAULT_TOLERANCE = 1e-3
DEFAULT_ORDER = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """A Hamiltonian that holds for a while."""

    hamiltonian: PauliSum
    duration: float


@dataclass(frozen=True, slots=True)
class Formula:
    """A product of exponentials exp(-i angle H_group), the first part acting first.

    Attributes:
        parts: groups of commuting terms, each with its angle: time times fraction.
        phase: global phase in radians, of the Hamiltonian's identity part.
        steps: of each piece.
        bound: of the distance to the exact evolution in spectral norm.
    """

    num_qubits: int
    parts: tuple[tuple[Group, float], ...]
    phase: float
    order: int
    steps: int
    bound: float


def suzuki_trotter(pieces: Sequence[Piece], *, order: int, steps: int) -> Formula:
    """The formula with that many steps for each piece.

    Raises:
        KernelError: CHIM771 for another order than 1, 2 or 4, or steps out of range.
    """
    _check(order, steps)
    parts: list[tuple[Group, float]] = []
    for piece in pieces:
        groups = piece.hamiltonian.groups()
        one = stages(len(groups), order)[::-1]  # the leftmost factor acts last
        step = piece.duration / steps
        parts += [(groups[g], step * a) for g, a in merged(one * steps)]
    return Formula(
        num_qubits=pieces[0].hamiltonian.num_qubits,
        parts=tuple(parts),
        phase=-math.fsum(p.hamiltonian.constant * p.duration for p in pieces),
        order=order,
        steps=steps,
        bound=error_bound(pieces, order=order, steps=steps),
    )


def error_bound(pieces: Sequence[Piece], *, order: int, steps: int) -> float:
    """A number that ‖formula - exact evolution‖ does not exceed, rounding aside.

    Source: Childs et al. 2021, as `product_formulas` says; errors of steps add up.
    """
    _check(order, steps)
    return math.fsum(
        _constant(piece.hamiltonian, order) * abs(piece.duration) ** (order + 1) / steps**order
        for piece in pieces
    )


def steps_for(pieces: Sequence[Piece], tolerance: float, *, order: int) -> int:
    """The least number of steps for each piece whose error bound is within the tolerance.

    Raises:
        KernelError: CHIM771 for a tolerance that is not positive, and for more than 100,000 steps.
    """
    if not (math.isfinite(tolerance) and tolerance > 0.0):
        raise _bad(f"tolerance {tolerance!r} is not a positive number")
    single = error_bound(pieces, order=order, steps=1)
    wanted = math.pow(single / tolerance, 1.0 / order)
    if not wanted <= MAX_STEPS:
        raise _bad(
            f"a tolerance of {tolerance:g} takes {wanted:.3g} steps of order {order}; at most "
            f"{MAX_STEPS} are allowed",
            hint="allow a larger tolerance, use order 4, or evolve for a shorter time",
        )
    return max(1, math.ceil(wanted * (1.0 - 1e-12)))


def piecewise(
    hamiltonian: Callable[[float], PauliSum], time: float, pieces: int
) -> tuple[Piece, ...]:
    """A time-dependent Hamiltonian as pieces of equal length, each as it is in its middle."""
    if pieces < 1:
        raise _bad(f"{pieces} pieces")
    length = time / pieces
    return tuple(Piece(hamiltonian((k + 0.5) * length), length) for k in range(pieces))


def piecewise_bound(rate: float, time: float, pieces: int) -> float:
    """What holding a Hamiltonian constant on `pieces` pieces adds to the error at most.

    Args:
        rate: a bound of ‖dH/dt‖ over the whole time.
        time: the whole time.
        pieces: of equal length, each taken in its middle.
    """
    return rate * time**2 / (4.0 * pieces)


@dataclass(frozen=True, slots=True)
class Evolution:
    """What a kernel's `evolution` option asks for, its inputs put in.

    Attributes:
        hamiltonians: `{pauli: coefficient}`, each for an equal share of the time.
        times: one for every circuit, or one for each.
        is_list: whether the time was a list, so that results are a list.
    """

    hamiltonians: tuple[Mapping[str, JSONValue], ...]
    times: tuple[float, ...]
    is_list: bool
    tolerance: float
    order: int

    @classmethod
    def from_options(
        cls, options: Mapping[str, JSONValue], inputs: Mapping[str, JSONValue]
    ) -> Evolution:
        """The evolution of an option whose `hamiltonian` and `time` may name inputs.

        Raises:
            KernelError: CHIM770 for what is no Hamiltonian, CHIM771 for times that are no finite
                numbers, a tolerance that is not positive, an unknown order.
        """
        found = _looked_up(options.get("hamiltonian"), inputs)
        several = found if isinstance(found, list) and found else [found]
        for item in several:
            if not isinstance(item, dict) or not item:
                raise KernelError(
                    "CHIM770",
                    f"{item!r:.80} is no Hamiltonian",
                    phase=Phase.EMBED,
                    hint="an object of Pauli strings and real coefficients, or a list of such",
                )
        time = _looked_up(options.get("time"), inputs)
        times = time if isinstance(time, list) else [time]
        if not 1 <= len(times) <= MAX_TIMES:
            raise _bad(f"{len(times)} times; from 1 to {MAX_TIMES} are allowed")
        order = options.get("order", DEFAULT_ORDER)
        tolerance = _finite(options.get("tolerance", DEFAULT_TOLERANCE), "tolerance")
        if order not in ORDERS or isinstance(order, bool) or tolerance <= 0.0:
            raise _bad(f"evolution of order {order!r} to a tolerance of {tolerance!r}")
        return cls(
            hamiltonians=tuple(item for item in several if isinstance(item, dict)),
            times=tuple(_finite(t, "time") for t in times),
            is_list=isinstance(time, list),
            tolerance=tolerance,
            order=int(order),
        )

    def formulas(self, num_qubits: int) -> tuple[Formula, ...]:
        """One formula a time, all of the same number of steps."""
        sums = [PauliSum.from_json(item, num_qubits) for item in self.hamiltonians]
        plans = [[Piece(h, t / len(sums)) for h in sums] for t in self.times]
        longest = max(plans, key=lambda plan: abs(plan[0].duration))
        steps = steps_for(longest, self.tolerance, order=self.order)
        return tuple(suzuki_trotter(plan, order=self.order, steps=steps) for plan in plans)


def evolve_circuits(
    circuits: Sequence[CircuitRecord], evolution: Evolution, *, is_list: bool
) -> tuple[tuple[CircuitRecord, ...], bool, dict[str, JSONValue]]:
    """Circuits with the evolution behind them, whether results are a list, and what was done.

    One circuit is evolved for every time. Of a list, one time is for each and m times are for m
    circuits pairwise. The report is `{order, steps, bound}`: `steps` of each piece, the largest
    `bound` of the distance between circuit and exact evolution in spectral norm.

    Raises:
        KernelError: CHIM770 for another width than the circuits', CHIM771 for other counts or more
            operations than a record holds, MAML319 for circuits that measure before their end.
    """
    made = {width: evolution.formulas(width) for width in {c.num_qubits for c in circuits}}
    several = len(evolution.times)
    if not is_list:
        pairs = [(circuits[0], at) for at in range(several)]
    elif several in {1, len(circuits)}:
        pairs = [(circuit, at % several) for at, circuit in enumerate(circuits)]
    else:
        raise _bad(
            f"{several} times for {len(circuits)} circuits",
            hint="give one time, or as many as circuits",
        )
    evolved = tuple(append(circuit, made[circuit.num_qubits][at]) for circuit, at in pairs)
    formulas = [formula for known in made.values() for formula in known]
    report: dict[str, JSONValue] = {
        "order": evolution.order,
        "steps": max(formula.steps for formula in formulas),
        "bound": max(formula.bound for formula in formulas),
    }
    return evolved, is_list or evolution.is_list, report


def append(record: CircuitRecord, formula: Formula) -> CircuitRecord:
    """The circuit, the formula's operations, then the circuit's measurements.

    Raises:
        KernelError: CHIM770 for another width, CHIM771 for more operations than a record holds,
            MAML319 for a circuit that measures, resets or branches before its end.
    """
    if formula.num_qubits != record.num_qubits:
        raise KernelError(
            "CHIM770",
            f"a Hamiltonian of {formula.num_qubits} qubits for a circuit of {record.num_qubits}",
            phase=Phase.EMBED,
        )
    if analyse(record).dynamic:
        raise KernelError(
            "MAML319",
            "evolution of a circuit that measures, resets or branches before its end",
            phase=Phase.EMBED,
            hint="leave only final measurements in the circuit",
        )
    gates = tuple(step for step in record.operations if step.name != MEASURE)
    final = tuple(step for step in record.operations if step.name == MEASURE)
    turns = operations(formula, MAX_OPERATIONS - len(record.operations))
    return replace(
        record,
        operations=(*gates, *turns, *final),
        global_phase=record.global_phase + formula.phase,
    )


def operations(formula: Formula, limit: int = MAX_OPERATIONS) -> tuple[Operation, ...]:
    """The formula as operations of a record, its global phase left out.

    Raises:
        KernelError: CHIM771 for more than `limit` of them.
    """
    made: list[Operation] = []
    for group, angle in formula.parts:
        for term in group.hamiltonian.terms:
            made += rotation(term, angle * term.coefficient)
        if len(made) > limit:
            raise _bad(
                f"{formula.steps} steps need more than the {MAX_OPERATIONS} operations of a record",
                hint="allow a larger tolerance, use order 4, or evolve for a shorter time",
            )
    return tuple(made)


_CONSTANTS: dict[tuple[PauliSum, int], float] = {}
_MAX_CONSTANTS = 64


def _constant(hamiltonian: PauliSum, order: int) -> float:
    """`step_constant` of its groups; kept, because every time of a list asks for it."""
    key = (hamiltonian, order)
    if key not in _CONSTANTS:
        if len(_CONSTANTS) >= _MAX_CONSTANTS:
            _CONSTANTS.clear()
        groups = [group.hamiltonian for group in hamiltonian.groups()]
        _CONSTANTS[key] = step_constant(groups, order)
    return _CONSTANTS[key]


def _check(order: int, steps: int) -> None:
    if order not in ORDERS:
        raise _bad(f"a formula of order {order!r}", hint="1, 2 or 4")
    if not 1 <= steps <= MAX_STEPS:
        raise _bad(f"{steps} steps; from 1 to {MAX_STEPS} are allowed")


def _looked_up(value: JSONValue, inputs: Mapping[str, JSONValue]) -> JSONValue:
    return inputs.get(value) if isinstance(value, str) else value


def _finite(value: JSONValue, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(f"{what} {value!r:.60} is not a finite number")
    return float(value)


def _bad(message: str, *, hint: str | None = None) -> KernelError:
    return KernelError("CHIM771", message, phase=Phase.EMBED, hint=hint)
