"""Circuit record → QuantumCircuit, with the record's floats or with late-bound parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import (
    ClassicalRegister,
    Clbit,
    IfElseOp,
    Instruction,
    Parameter,
    QuantumRegister,
    Qubit,
)
from qiskit.circuit.library import (
    Barrier,
    Measure,
    Reset,
    StatePreparation,
    UnitaryGate,
)

from chimera_pipelines.quantum.gates import (
    BARRIER,
    IF,
    MEASURE,
    RESET,
    STATE_PREPARATION_DG,
    UNITARY,
)
from chimera_pipelines.quantum.operations import PREPARATIONS, Condition, Operation
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.standard import build


def to_qiskit(
    record: CircuitRecord, parameters: Sequence[Parameter] | None = None
) -> QuantumCircuit:
    """The circuit of a record.

    Args:
        record: a validated record.
        parameters: stand-ins for every angle of `record.walk()`, in that order; the record's own
            floats where None.
    """
    circuit = _empty(record)
    source = None if parameters is None else iter(parameters)
    _fill(circuit, record, record.operations, circuit, source)
    circuit.global_phase = record.global_phase
    return circuit


def _empty(record: CircuitRecord) -> QuantumCircuit:
    qubits = [Qubit() for _ in range(record.num_qubits)]
    clbits = [Clbit() for _ in range(record.num_clbits)]
    circuit = QuantumCircuit(qubits, clbits)
    for register in record.qregs:
        if not register.lone:
            circuit.add_register(
                QuantumRegister(name=register.name, bits=[qubits[i] for i in register.bits])
            )
    for register in record.cregs:
        if not register.lone:
            circuit.add_register(
                ClassicalRegister(name=register.name, bits=[clbits[i] for i in register.bits])
            )
    return circuit


def _fill(
    circuit: QuantumCircuit,
    record: CircuitRecord,
    operations: Sequence[Operation],
    outer: QuantumCircuit,
    source: Iterator[Parameter] | None,
) -> None:
    for step in operations:
        if step.name == IF:
            bodies = [_body(record, part, outer, source) for part in (step.body, step.orelse)]
            condition = _condition(step.condition, outer)
            orelse = bodies[1] if step.orelse else None
            op: Instruction = IfElseOp(condition, bodies[0], orelse)
            circuit.append(op, outer.qubits, outer.clbits, copy=False)
            continue
        circuit.append(
            to_instruction(step, source),
            [outer.qubits[i] for i in step.qubits],
            [outer.clbits[i] for i in step.clbits],
            copy=False,
        )


def _body(
    record: CircuitRecord,
    operations: Sequence[Operation],
    outer: QuantumCircuit,
    source: Iterator[Parameter] | None,
) -> QuantumCircuit:
    body = QuantumCircuit(outer.qubits, outer.clbits, *outer.cregs)
    _fill(body, record, operations, outer, source)
    return body


def _condition(
    condition: Condition | None, outer: QuantumCircuit
) -> tuple[Clbit, int] | tuple[ClassicalRegister, int]:
    if condition is None:
        raise ValueError("an 'if' without a condition")
    if condition.register is None:
        return outer.clbits[condition.bits[0]], condition.value
    register = next(r for r in outer.cregs if r.name == condition.register)
    return register, condition.value


def to_instruction(step: Operation, source: Iterator[Parameter] | None = None) -> Instruction:
    """The Qiskit instruction of an operation that is no `if`; angles from `source` if given."""
    if step.name == MEASURE:
        return Measure()
    if step.name == RESET:
        return Reset()
    if step.name == BARRIER:
        return Barrier(len(step.qubits))
    if step.name == UNITARY:
        side = 1 << len(step.qubits)
        rows = [step.entries[i * side : (i + 1) * side] for i in range(side)]
        return UnitaryGate(rows, check_input=False)
    if step.name in PREPARATIONS:
        inverse = step.name == STATE_PREPARATION_DG
        return StatePreparation(list(step.entries), inverse=inverse)
    params = [next(source) if source is not None else angle for angle in step.params]
    return build(step.name, len(step.qubits), list(params))
