"""QuantumCircuit → circuit record. Runs inside the sandbox, beside the block that made the circuit.

Strategy: standard gates are written as they are; anything else is taken apart along its definition
until only standard gates, matrices and amplitude vectors are left. What has neither a definition
nor a matrix is opaque (MAML319). So a bare `multiplexer`, on which Aer segfaults, cannot be
written down. Loops over fixed ranges are unrolled and switches become nested `if`, which leaves
one kind of control flow for the head to know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    BoxOp,
    CircuitError,
    CircuitInstruction,
    ClassicalRegister,
    Clbit,
    Delay,
    ForLoopOp,
    IfElseOp,
    Measure,
    ParameterExpression,
    QuantumRegister,
    Reset,
    SwitchCaseOp,
)
from qiskit.circuit.controlflow import CASE_DEFAULT
from qiskit.circuit.library import GlobalPhaseGate, StatePreparation, UnitaryGate

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.quantum.gates import (
    BARRIER,
    IF,
    MEASURE,
    RESET,
    STATE_PREPARATION,
    STATE_PREPARATION_DG,
    UNITARY,
)
from chimera_pipelines.quantum.operations import (
    MAX_OPERATIONS,
    MAX_UNITARY_QUBITS,
    Condition,
    Operation,
    RecordError,
    Register,
)
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.standard import names

MAX_DEFINITIONS = 64

Indices: TypeAlias = tuple[int, ...]


def encode_circuits(value: object) -> tuple[JSONValue, list[Any]]:
    """What `circuit` returned as `{"circuits": [record, …], "list": bool}`, and no attachments.

    Raises:
        RecordError: MAML904 for anything but a QuantumCircuit or a list of them; MAML319 for a
            circuit that cannot be written as a record.
    """
    several = isinstance(value, list | tuple)
    circuits = list(value) if isinstance(value, list | tuple) else [value]
    for circuit in circuits:
        if not isinstance(circuit, QuantumCircuit):
            raise RecordError(
                "MAML904",
                f"'circuit' returned {type(circuit).__name__!r}",
                hint="return a QuantumCircuit or a list of them",
            )
    records: list[JSONValue] = [write_record(circuit).as_json() for circuit in circuits]
    return {"circuits": records, "list": several}, []


def write_record(circuit: QuantumCircuit, names_of_lone: Sequence[str] = ()) -> CircuitRecord:
    """The record of a circuit; `names_of_lone` are the names of its lone classical bits in order.

    Raises:
        RecordError: MAML319 for opaque gates, unbound parameters, run-time variables, loops
            without a fixed range, conditions that are expressions.
    """
    if circuit.num_vars or circuit.num_stretches:
        raise _refuse("the circuit has run-time classical variables", "use classical registers")
    writer = _Writer(circuit)
    qubits, clbits = tuple(range(circuit.num_qubits)), tuple(range(circuit.num_clbits))
    steps = writer.sequence(_Scope(circuit, qubits, clbits))
    return CircuitRecord(
        num_qubits=circuit.num_qubits,
        qregs=_registers(circuit, circuit.qregs, circuit.qubits, ()),
        num_clbits=circuit.num_clbits,
        cregs=_registers(circuit, circuit.cregs, circuit.clbits, names_of_lone),
        operations=tuple(steps),
        global_phase=writer.phase % math.tau,
    )


@dataclass(frozen=True, slots=True)
class _Scope:
    """A circuit, a body or a definition, and where its bits lie in the outermost circuit."""

    circuit: QuantumCircuit
    qubits: Indices
    clbits: Indices
    depth: int = 0
    conditional: bool = False

    def inside(self, circuit: QuantumCircuit, *, conditional: bool = False) -> _Scope:
        """The scope of something nested on the same bits."""
        return replace(
            self,
            circuit=circuit,
            depth=self.depth + 1,
            conditional=self.conditional or conditional,
        )


class _Writer:
    """Writes operations onto the outermost circuit's indices and adds up its global phase."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.circuit = circuit
        self.phase = 0.0
        self.count = 0

    def sequence(self, scope: _Scope) -> list[Operation]:
        if scope.depth > MAX_DEFINITIONS:
            raise _refuse(f"definitions nested more than {MAX_DEFINITIONS} deep")
        circuit = scope.circuit
        if not scope.conditional:  # a phase that holds in one branch alone is a global phase there
            self.phase += _number(circuit.global_phase, "global phase")
        out: list[Operation] = []
        for item in circuit.data:
            out += self.operation(item, scope)
        return out

    def operation(self, item: CircuitInstruction, scope: _Scope) -> list[Operation]:
        op, find = item.operation, scope.circuit.find_bit
        qubits = tuple(scope.qubits[find(bit).index] for bit in item.qubits)
        clbits = tuple(scope.clbits[find(bit).index] for bit in item.clbits)
        simple = self.simple(op, qubits, clbits, conditional=scope.conditional)
        if simple is not None:
            self.count += len(simple)
            if self.count > MAX_OPERATIONS:
                raise _refuse(f"more than {MAX_OPERATIONS} operations in one circuit")
            return simple
        local = replace(scope, qubits=qubits, clbits=clbits)
        if isinstance(op, IfElseOp):
            return self.branch(op, scope, local)
        if isinstance(op, SwitchCaseOp):
            return self.switch(op, scope, local)
        if isinstance(op, ForLoopOp):
            return self.loop(op, local)
        return self.sequence(local.inside(op.body if isinstance(op, BoxOp) else _definition(op)))

    def simple(
        self, op: Any, qubits: Indices, clbits: Indices, *, conditional: bool
    ) -> list[Operation] | None:
        """Operations that need no definition, or None."""
        cls = getattr(op, "base_class", type(op))
        name = names().get(cls)
        if name is not None and not op.name.startswith(f"{name}_o"):  # an open control is below
            return [Operation(name, qubits, params=_angles(op))]
        if op.name in {BARRIER, MEASURE, RESET} and isinstance(op, Barrier | Measure | Reset):
            return [Operation(op.name, qubits, clbits)]
        if isinstance(op, Delay):  # ideal simulation: waiting changes nothing
            return [Operation("id", qubits)]
        if isinstance(op, GlobalPhaseGate):
            self.phase += 0.0 if conditional else _angles(op)[0]
            return []
        return _with_entries(op, qubits)

    def branch(self, op: IfElseOp, scope: _Scope, local: _Scope) -> list[Operation]:
        bodies = [
            tuple(self.sequence(local.inside(block, conditional=True))) for block in op.blocks
        ]
        condition = self.condition(op.condition, scope)
        orelse = bodies[1] if len(bodies) > 1 else ()
        return [Operation(IF, condition=condition, body=bodies[0], orelse=orelse)]

    def switch(self, op: SwitchCaseOp, scope: _Scope, local: _Scope) -> list[Operation]:
        steps: tuple[Operation, ...] = ()
        for labels, block in reversed(list(op.cases_specifier())):
            body = tuple(self.sequence(local.inside(block, conditional=True)))
            if CASE_DEFAULT in labels:
                steps = body
                continue
            for label in reversed(labels):
                condition = self.condition((op.target, int(label)), scope)
                steps = (Operation(IF, condition=condition, body=body, orelse=steps),)
        return list(steps)

    def loop(self, op: ForLoopOp, local: _Scope) -> list[Operation]:
        indices, parameter, body = op.params
        if not isinstance(indices, Iterable):
            raise _refuse("a 'for' loop over an expression", "loop over a fixed range")
        out: list[Operation] = []
        for index in indices:
            block = body
            if parameter is not None and parameter in body.parameters:
                block = body.assign_parameters({parameter: index})
            out += self.sequence(local.inside(block))
        return out

    def condition(self, condition: Any, scope: _Scope) -> Condition:
        if not isinstance(condition, tuple):
            raise _refuse(
                "a condition that is an expression", "compare one bit or one register with a number"
            )
        target, value = condition
        wanted = [target] if isinstance(target, Clbit) else list(target)
        bits = tuple(self.bit(bit, scope) for bit in wanted)
        if isinstance(target, ClassicalRegister):
            for register in self.circuit.cregs:
                if tuple(self.circuit.find_bit(bit).index for bit in register) == bits:
                    return Condition(bits, int(value), register.name)
        if len(bits) == 1:
            return Condition(bits, int(value))
        raise _refuse(
            "a condition on a register that the circuit does not have",
            "use a register of the outermost circuit",
        )

    def bit(self, bit: Clbit, scope: _Scope) -> int:
        """The outermost index of a classical bit; a body may name it by the outermost circuit."""
        try:
            return int(scope.clbits[scope.circuit.find_bit(bit).index])
        except CircuitError:
            return int(self.circuit.find_bit(bit).index)


def _with_entries(op: Any, qubits: tuple[int, ...]) -> list[Operation] | None:
    """A unitary or a state preparation by amplitudes, or None."""
    if isinstance(op, UnitaryGate) and op.num_qubits <= MAX_UNITARY_QUBITS:
        return [Operation(UNITARY, qubits, entries=_entries(op.params[0]))]
    if not isinstance(op, StatePreparation) or len(op.params) != 1 << op.num_qubits:
        return None
    if any(isinstance(x, str) for x in op.params):  # a label: its definition is plain gates
        return None
    name = STATE_PREPARATION_DG if op.name.endswith("_dg") else STATE_PREPARATION
    return [Operation(name, qubits, entries=_entries(op.params))]


def _definition(op: Any) -> QuantumCircuit:
    """One step down: the definition, else the matrix, else what Qiskit's synthesis makes of it."""
    if op.name in {"while_loop", "break_loop", "continue_loop", "store"}:
        raise _refuse(f"{op.name!r} is not supported", "use 'if' or a loop over a fixed range")
    definition = getattr(op, "definition", None)
    if definition is not None:
        return definition
    circuit = QuantumCircuit(op.num_qubits, op.num_clbits)
    if hasattr(op, "to_matrix") and op.num_qubits <= MAX_UNITARY_QUBITS:
        try:
            circuit.append(UnitaryGate(op.to_matrix()), circuit.qubits)
        except Exception as error:  # any failure of a foreign gate's own method means the same
            raise _opaque(op) from error
        return circuit
    return _synthesised(op, circuit)


def _synthesised(op: Any, circuit: QuantumCircuit) -> QuantumCircuit:
    from qiskit.transpiler.passes import HighLevelSynthesis

    circuit.append(op, circuit.qubits, circuit.clbits)
    try:
        out = HighLevelSynthesis(basis_gates=["u", "cx"], qubits_initially_zero=False)(circuit)
    except Exception as error:  # whatever the plugin says, the gate cannot be taken apart
        raise _opaque(op) from error
    if any(item.operation.name == op.name for item in out.data):
        raise _opaque(op)
    return out


def _angles(op: Any) -> tuple[float, ...]:
    return tuple(_number(x, f"angle of {op.name!r}") for x in op.params)


def _number(value: Any, what: str) -> float:
    if isinstance(value, ParameterExpression):
        free = sorted(parameter.name for parameter in value.parameters)
        if free:
            raise _refuse(
                f"{what} has the unbound parameter {free[0]!r}",
                "bind it with assign_parameters before returning the circuit",
            )
        value = value.numeric()
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _refuse(f"{what} is {value!r}, not a real number") from error


def _entries(values: Any) -> tuple[complex, ...]:
    return tuple(complex(z) for z in np.asarray(values, dtype=np.complex128).ravel())


def _registers(
    circuit: QuantumCircuit, registers: Iterable[Any], bits: Sequence[Any], lone: Sequence[str]
) -> tuple[Register, ...]:
    """Registers in the circuit's order; a lone bit stands before the first register above it."""
    out: list[Register] = []
    taken: set[int] = set()
    for register in registers:
        indices = tuple(circuit.find_bit(bit).index for bit in register)
        if taken.intersection(indices):
            if isinstance(register, QuantumRegister):
                continue  # a second name for the same qubits says nothing to a head
            raise _refuse(f"the classical register {register.name!r} shares bits with another")
        if indices:
            taken.update(indices)
            out.append(Register(register.name, indices))
    names_used = {register.name for register in out}
    given = iter(lone)
    for index in range(len(bits)):
        if index in taken:
            continue
        name = next(given, f"bit{index}")
        while name in names_used:
            name += "_"
        names_used.add(name)
        place = next((i for i, r in enumerate(out) if min(r.bits) > index), len(out))
        out.insert(place, Register(name, (index,), lone=True))
    return tuple(out)


def _opaque(op: Any) -> RecordError:
    return _refuse(
        f"opaque gate {op.name!r}", "give it a definition, or use UnitaryGate with its matrix"
    )


def _refuse(message: str, hint: str | None = None) -> RecordError:
    return RecordError("MAML319", message, hint=hint)
