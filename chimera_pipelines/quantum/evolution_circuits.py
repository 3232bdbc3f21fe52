"""Evolution as operations of circuits: what a kernel's `evolution` option asks for, and does.

It acts after the kernel's circuit and before the measurements, so that any engine runs it. All
times of a list take the same number of steps: the circuits then share one compiled structure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.evolution import (
    Formula,
    Piece,
    evolution_error,
    steps_for,
    suzuki_trotter,
)
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.gates import MEASURE
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.operations import MAX_OPERATIONS, Operation
from chimera_pipelines.quantum.pauli_rotations import rotation
from chimera_pipelines.quantum.product_formulas import ORDERS
from chimera_pipelines.quantum.reals import finite_real, shown
from chimera_pipelines.quantum.record import CircuitRecord

MAX_TIMES = 4_096
DEFAULT_TOLERANCE = 1e-3
DEFAULT_ORDER = 2


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
            raise evolution_error(f"{len(times)} times; from 1 to {MAX_TIMES} are allowed")
        order = options.get("order", DEFAULT_ORDER)
        tolerance = _finite(options.get("tolerance", DEFAULT_TOLERANCE), "tolerance")
        if order not in ORDERS or isinstance(order, bool) or tolerance <= 0.0:
            raise evolution_error(f"evolution of order {order!r} to a tolerance of {tolerance!r}")
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
        raise evolution_error(
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
            raise evolution_error(
                f"{formula.steps} steps need more than the {MAX_OPERATIONS} operations of a record",
                hint="allow a larger tolerance, use order 4, or evolve for a shorter time",
            )
    return tuple(made)


def _looked_up(value: JSONValue, inputs: Mapping[str, JSONValue]) -> JSONValue:
    return inputs.get(value) if isinstance(value, str) else value


def _finite(value: JSONValue, what: str) -> float:
    number = finite_real(value)
    if number is None:
        raise evolution_error(f"{what} {shown(value)} is not a finite number")
    return number
