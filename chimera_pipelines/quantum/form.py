"""What a record is like: unitary with final measurements or dynamic, its structure, its inputs.

Strategy: an engine compiles a *structure* once, which is a record without its angles, its final
measurements and the amplitudes it starts from. So the forty passes of a feedback loop, the rows
of an embedding and a circuit that only changes its `initialize` vector share one program.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chimera_pipelines.quantum.gates import BARRIER, GATES, IF, MEASURE, RESET, STATE_PREPARATION
from chimera_pipelines.quantum.operations import WITH_ENTRIES, Operation
from chimera_pipelines.quantum.record import CircuitRecord

_TURNABLE = frozenset({"rx", "ry", "rz", "p", "u1"})


@dataclass(frozen=True, slots=True)
class Factor:
    """A state on some qubits, the rest being |0>: amplitudes with qubits[0] the lowest bit."""

    qubits: tuple[int, ...]
    amplitudes: tuple[complex, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A record made ready for an engine.

    Attributes:
        source: the record as it came; keys of results are named after its registers.
        body: what is left to evolve: without state preparations on untouched qubits and, unless
            the circuit is dynamic, without measurements, barriers and classical bits.
        factors: the product state to start from.
        final: classical bit → qubit of the final measurements; None for a dynamic circuit.
    """

    source: CircuitRecord
    body: CircuitRecord
    factors: tuple[Factor, ...]
    final: Mapping[int, int] | None

    @property
    def dynamic(self) -> bool:
        """Whether the circuit measures, resets or branches before its end."""
        return self.final is None

    @property
    def measures(self) -> bool:
        """Whether the circuit measures anything."""
        return any(step.name == MEASURE for step in self.source.walk())

    @property
    def angles(self) -> tuple[float, ...]:
        """Every angle of the body, in the order of `walk()`."""
        return tuple(angle for step in self.body.walk() for angle in step.params)

    def structure(self, *, angles: bool = False) -> str:
        """SHA-256 of the body but for its angles (unless asked for) and its global phase."""
        body = self.body
        steps = body.operations if angles else tuple(map(_skeleton, body.operations))
        text = repr((body.num_qubits, body.num_clbits, body.cregs, steps))
        return hashlib.sha256(text.encode()).hexdigest()


def analyse(record: CircuitRecord, factors: tuple[Factor, ...] = ()) -> Form:
    """The form of a record that starts from `factors` (disjoint; untouched qubits are |0>)."""
    touched = {qubit for factor in factors for qubit in factor.qubits}
    prepared = list(factors)
    kept: list[Operation] = []
    for step in record.operations:
        fresh = touched.isdisjoint(step.qubits)
        if step.name == STATE_PREPARATION and fresh:
            prepared.append(Factor(step.qubits, step.entries))
        elif not (step.name == RESET and fresh):
            kept.append(step)
        if step.name == IF:
            touched.update(range(record.num_qubits))
        elif step.name not in {BARRIER, RESET}:
            touched.update(step.qubits)
    final = _final_measurements(kept)
    if final is None:
        body = replace(record, operations=tuple(kept))
    else:
        gates = tuple(step for step in kept if step.name not in {MEASURE, BARRIER})
        body = replace(record, operations=gates, num_clbits=0, cregs=())
    return Form(record, body, tuple(prepared), final)


def _final_measurements(operations: list[Operation]) -> dict[int, int] | None:
    """Classical bit → qubit where nothing happens to a qubit once it is measured, else None."""
    read: set[int] = set()
    measured: dict[int, int] = {}
    for step in operations:
        if step.name in {IF, RESET}:
            return None
        if step.name == MEASURE:
            read.update(step.qubits)
            measured[step.clbits[0]] = step.qubits[0]
        elif step.name != BARRIER and not read.isdisjoint(step.qubits):
            return None
    return measured


def is_clifford(record: CircuitRecord) -> bool:
    """Whether names and angles alone say that every gate is a Clifford gate."""
    return all(_clifford_step(step) for step in record.walk())


def _clifford_step(step: Operation) -> bool:
    if step.name in GATES:
        turn = step.name in _TURNABLE and quarter_turns(step.params[0]) is not None
        return GATES[step.name].clifford or turn
    return step.name not in WITH_ENTRIES


def quarter_turns(angle: float) -> int | None:
    """The angle as a number of quarter turns, 0 to 3, or None when it is none to 1e-9."""
    turns = angle / (math.pi / 2)
    nearest = round(turns)
    return nearest % 4 if abs(turns - nearest) < 1e-9 else None  # noqa: PLR2004


def _skeleton(step: Operation) -> tuple[object, ...]:
    if step.name == IF:
        return (
            IF,
            step.condition,
            tuple(map(_skeleton, step.body)),
            tuple(map(_skeleton, step.orelse)),
        )
    return (step.name, step.qubits, step.clbits, step.entries)
