"""Lowering to the gates of a stabilizer simulator.

Every gate that the simulator does not know is replaced by the circuit of its Clifford tableau, so
rotations by quarter turns, `iswap` or a unitary matrix work where they are Clifford; global phases
are lost, which no outcome shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Operator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.gates import BARRIER, IF, MEASURE, RESET, UNITARY
from chimera_pipelines.quantum.operations import PREPARATIONS, Operation
from chimera_pipelines.quantum.read import to_instruction
from chimera_pipelines.quantum.record import CircuitRecord

NATIVE = frozenset({"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap"})
_KEPT = NATIVE | {MEASURE, RESET, BARRIER}
MAX_TABLEAU_QUBITS = 4


def lower(record: CircuitRecord) -> CircuitRecord:
    """The record in gates that a stabilizer simulator knows.

    Raises:
        KernelError: MAML319 for a gate that is no Clifford gate.
    """
    return replace(record, operations=_lower(record.operations))


def _lower(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    out: list[Operation] = []
    for step in operations:
        if step.name == IF:
            out.append(replace(step, body=_lower(step.body), orelse=_lower(step.orelse)))
        elif step.name in _KEPT:
            out.append(step)
        else:
            local = replace(step, qubits=tuple(range(len(step.qubits))))
            out += [
                replace(part, qubits=tuple(step.qubits[q] for q in part.qubits))
                for part in _tableau(local)
            ]
    return tuple(out)


@lru_cache(maxsize=4096)
def _tableau(step: Operation) -> tuple[Operation, ...]:
    """The native gates of one gate on qubits 0 … k−1."""
    if step.name in PREPARATIONS or len(step.qubits) > MAX_TABLEAU_QUBITS:
        raise _not_clifford(step)
    gate = to_instruction(step)
    try:
        if step.name == UNITARY:
            tableau = Clifford.from_operator(Operator(gate))
        else:
            circuit = QuantumCircuit(len(step.qubits))
            circuit.append(gate, circuit.qubits)
            tableau = _from_circuit(circuit)
    except QiskitError as error:
        raise _not_clifford(step) from error
    made = tableau.to_circuit()
    return tuple(
        Operation(item.operation.name, tuple(made.find_bit(bit).index for bit in item.qubits))
        for item in made.data
    )


def _from_circuit(circuit: QuantumCircuit) -> Clifford:
    try:
        return Clifford(circuit)
    except QiskitError:  # a gate whose name Clifford does not know may still be one
        return Clifford.from_operator(Operator(circuit))


def _not_clifford(step: Operation) -> KernelError:
    angles = f" with the angles {list(step.params)!r}" if step.params else ""
    return KernelError(
        "MAML319",
        f"{step.name!r}{angles} is no Clifford gate, so 'stabilizer' cannot simulate it",
        phase=Phase.PROPAGATE,
        hint="use backend {method: automatic} or matrix_product_state",
    )
