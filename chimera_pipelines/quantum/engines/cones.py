"""Light cones: the part of a circuit that one Pauli string can see, relabelled to few qubits.

Strategy: the string is carried backwards through the circuit (Heisenberg picture). Of each qubit
we know that the carried operator is the identity there, or diagonal (commutes with Z of it), or
anything. A gate outside its support cancels with its inverse; so does a *diagonal* gate whose
qubits all carry identity or something diagonal. The second rule is what makes cones of QAOA and
Trotter circuits independent of the order in which commuting gates are written: an edge of a
3-regular graph sees 6 qubits at p = 1 and at most 14 at p = 2, however large the graph.

Cones are put into a normal form (labels in order of discovery, runs of commuting gates sorted), so
that equal neighbourhoods are simulated once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chimera_pipelines.quantum.gates import BARRIER
from chimera_pipelines.quantum.operations import Operation, Register
from chimera_pipelines.quantum.record import CircuitRecord

_DIAGONAL_ONE = ("id", "z", "s", "sdg", "t", "tdg", "rz", "p", "u1")
_DIAGONAL_MORE = ("cz", "cp", "cu1", "crz", "cs", "csdg", "rzz", "ccz", "mcphase")
_SYMMETRIC = frozenset(_DIAGONAL_MORE) - {"crz"}
DIAGONAL = frozenset((*_DIAGONAL_ONE, *_DIAGONAL_MORE))


@dataclass(frozen=True, slots=True)
class Cone:
    """A circuit of its own and the string on it, one letter a qubit, qubit 0 rightmost."""

    record: CircuitRecord
    string: str

    @property
    def width(self) -> int:
        """Qubits of the cone."""
        return self.record.num_qubits


def cut(record: CircuitRecord, string: str) -> Cone:
    """The cone of a Pauli string (not the identity) in a unitary record."""
    letters = {q: p for q, p in enumerate(reversed(string)) if p != "I"}
    kept = _visible(record.operations, letters)
    label = _labels(kept, letters)
    steps = tuple(_relabelled(step, label) for step in reversed(kept))
    width = len(label)
    found = {label[q]: letter for q, letter in letters.items()}
    reduced = CircuitRecord(
        num_qubits=width,
        qregs=(Register("q", tuple(range(width))),),
        num_clbits=0,
        cregs=(),
        operations=tuple(_sorted_runs(steps)),
    )
    return Cone(reduced, "".join(found.get(q, "I") for q in reversed(range(width))))


def width(record: CircuitRecord, string: str) -> int:
    """Qubits of the string's cone, 0 for the identity."""
    letters = {q: p for q, p in enumerate(reversed(string)) if p != "I"}
    seen = {q for step in _visible(record.operations, letters) for q in step.qubits}
    return len(seen | set(letters))


def _visible(operations: Sequence[Operation], letters: dict[int, str]) -> list[Operation]:
    """What does not cancel, last operation first."""
    support, general = set(letters), {q for q, letter in letters.items() if letter != "Z"}
    kept = []
    for step in reversed(operations):
        if step.name == BARRIER or support.isdisjoint(step.qubits):
            continue
        if step.name in DIAGONAL:
            if general.isdisjoint(step.qubits):
                continue
        else:
            general.update(step.qubits)
        support.update(step.qubits)
        kept.append(step)
    return kept


def _labels(kept: Sequence[Operation], letters: dict[int, str]) -> dict[int, int]:
    label = {q: i for i, q in enumerate(sorted(letters))}
    for step in kept:
        for qubit in step.qubits:
            label.setdefault(qubit, len(label))
    return label


def _relabelled(step: Operation, label: dict[int, int]) -> Operation:
    qubits = tuple(label[q] for q in step.qubits)
    return replace(step, qubits=tuple(sorted(qubits)) if step.name in _SYMMETRIC else qubits)


def _sorted_runs(steps: Sequence[Operation]) -> Iterator[Operation]:
    """Runs of gates that commute pairwise, each sorted."""
    run: list[Operation] = []
    taken: set[int] = set()
    diagonal = False
    for step in steps:
        joins = step.name in DIAGONAL if diagonal else taken.isdisjoint(step.qubits)
        if run and not joins:
            yield from sorted(run, key=_rank)
            run, taken = [], set()
        if not run:
            diagonal = step.name in DIAGONAL
        run.append(step)
        taken.update(step.qubits)
    yield from sorted(run, key=_rank)


def _rank(step: Operation) -> tuple[object, ...]:
    return (step.qubits, step.name, step.params, [(z.real, z.imag) for z in step.entries])
