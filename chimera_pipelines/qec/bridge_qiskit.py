"""Qiskit's objects read and written for the bridge: the module of `qec` that imports Qiskit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import stim
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import CircuitInstruction, Clbit, ControlFlowOp, IfElseOp
from qiskit.circuit.library import get_standard_gate_name_mapping

from chimera_pipelines.qec.bridge_operations import ONE, TWO, BridgeError

_AS_IT_IS: Final = {"measure", "reset", "barrier", "delay"}
_MOST_QUBITS: Final = 3
_MOST_DEEP: Final = 32
_BASES: Final = {"M": "", "MX": "X", "MY": "Y", "R": "", "RX": "X", "RY": "Y"}
_SPLIT: Final = {"MR": ("M", "R"), "MRX": ("MX", "RX"), "MRY": ("MY", "RY")}
_TURNED: Final = {"SQRT_Y": ("ry", 1), "SQRT_Y_DAG": ("ry", -1)}


@dataclass(frozen=True, slots=True)
class QiskitCondition:
    """A condition as a circuit record has it."""

    bits: tuple[int, ...]
    value: int
    register: str | None = None


@dataclass(frozen=True, slots=True)
class QiskitStep:
    """An operation as a circuit record has it."""

    name: str
    qubits: tuple[int, ...] = ()
    clbits: tuple[int, ...] = ()
    params: tuple[float, ...] = ()
    entries: tuple[complex, ...] = ()
    condition: QiskitCondition | None = None
    body: tuple[QiskitStep, ...] = ()
    orelse: tuple[QiskitStep, ...] = ()


def steps_of(circuit: QuantumCircuit) -> list[QiskitStep]:
    """Operations of a circuit; composite ones taken apart.

    Raises:
        BridgeError: CHIM795 for what is neither a gate with a matrix or definition, nor a
            measurement, reset, barrier, delay or `if_test`.
    """
    return list(
        _steps(circuit, tuple(range(circuit.num_qubits)), tuple(range(circuit.num_clbits)), 0)
    )


def _steps(
    circuit: QuantumCircuit, qubits: tuple[int, ...], clbits: tuple[int, ...], depth: int
) -> Iterator[QiskitStep]:
    find = circuit.find_bit
    for item in circuit.data:
        on = tuple(qubits[find(bit).index] for bit in item.qubits)
        bits = tuple(clbits[find(bit).index] for bit in item.clbits)
        yield from _one(item, on, bits, (circuit, clbits), depth)


def _one(
    item: CircuitInstruction,
    qubits: tuple[int, ...],
    clbits: tuple[int, ...],
    scope: tuple[QuantumCircuit, tuple[int, ...]],
    depth: int,
) -> Iterator[QiskitStep]:
    op: Any = item.operation
    if op.name in _AS_IT_IS:
        yield QiskitStep(op.name, qubits, clbits)
    elif isinstance(op, IfElseOp):
        yield _if(op, qubits, clbits, scope, depth)
    elif isinstance(op, ControlFlowOp):
        raise BridgeError(
            "CHIM795", f"control flow {op.name!r} has no form in stim", hint="unroll it"
        )
    elif _standard(op):
        yield QiskitStep(op.name, qubits, params=tuple(_angle(op, one) for one in op.params))
    elif (entries := _entries(op)) is not None:
        yield QiskitStep(op.name, qubits, entries=entries)
    elif getattr(op, "definition", None) is not None and depth < _MOST_DEEP:
        yield from _steps(op.definition, qubits, clbits, depth + 1)
    else:
        raise BridgeError(
            "CHIM795",
            f"operation {op.name!r} on qubits {list(qubits)} is no Clifford gate",
            hint="stim holds Clifford gates, measure, reset, barrier and Pauli feedback",
        )


def _if(
    op: IfElseOp,
    qubits: tuple[int, ...],
    clbits: tuple[int, ...],
    scope: tuple[QuantumCircuit, tuple[int, ...]],
    depth: int,
) -> QiskitStep:
    condition = op.condition
    if not isinstance(condition, tuple):
        raise BridgeError(
            "CHIM795",
            "a condition that is an expression cannot become feedback",
            hint="test one bit: if_test((circuit.clbits[k], 1))",
        )
    bit, value = condition
    if isinstance(bit, Clbit):
        circuit, outer = scope
        read = QiskitCondition((outer[circuit.find_bit(bit).index],), int(value))
    else:
        read = QiskitCondition((), int(value), bit.name)
    step = QiskitStep("if", qubits, condition=read)
    bodies = [
        tuple(_steps(body, qubits, clbits, depth + 1)) if body is not None else ()
        for body in op.params
    ]
    return replace(step, body=bodies[0], orelse=bodies[1] if len(bodies) > 1 else ())


def _standard(op: Any) -> bool:
    """Whether it is Qiskit's own gate of this name, and not another that is called so."""
    known = get_standard_gate_name_mapping().get(op.name)
    return known is not None and op.base_class is known.base_class


def _angle(op: Any, value: Any) -> float:
    try:
        return float(value)
    except TypeError as error:
        raise BridgeError(
            "CHIM795",
            f"gate {op.name!r} has the unbound parameter '{value}'",
            hint="bind it with assign_parameters",
        ) from error


def _entries(op: Any) -> tuple[complex, ...] | None:
    """The matrix of a gate on few qubits, row by row; None where it has none."""
    if op.num_clbits or op.num_qubits > _MOST_QUBITS or not hasattr(op, "to_matrix"):
        return None
    try:
        matrix = np.asarray(op.to_matrix(), np.complex128)
    except Exception:  # noqa: BLE001 - whatever Qiskit says: its definition is tried next
        return None
    return tuple(complex(entry) for entry in matrix.ravel())


def written(circuit: stim.Circuit) -> QuantumCircuit:
    """The stim circuit as a Qiskit circuit; see `bridge.to_qiskit`."""
    return _QiskitWriter(circuit).write()


class _QiskitWriter:
    def __init__(self, circuit: stim.Circuit) -> None:
        self._circuit = circuit.flattened()
        self._out = QuantumCircuit(
            QuantumRegister(circuit.num_qubits, "q"),
            ClassicalRegister(circuit.num_measurements, "m"),
        )
        self._measured = 0
        self._detectors: list[list[int]] = []
        self._places: list[list[float]] = []
        self._observables: dict[int, list[int]] = {}

    def write(self) -> QuantumCircuit:
        for one in self._circuit:
            self._step(one, one.targets_copy())
        count = max(self._observables, default=-1) + 1
        self._out.metadata = {
            "detectors": self._detectors,
            "coordinates": self._places,
            "observables": [self._observables.get(number, []) for number in range(count)],
        }
        return self._out

    def _step(self, one: stim.CircuitInstruction, targets: list[stim.GateTarget]) -> None:
        name = one.name
        if name == "TICK":
            self._out.barrier()
        elif name == "DETECTOR":
            self._detectors.append(self._records(one))
            self._places.append(one.gate_args_copy())
        elif name == "OBSERVABLE_INCLUDE":
            number = int(one.gate_args_copy()[0])
            self._observables.setdefault(number, []).extend(self._records(one))
        elif name in _SPLIT:
            for target in targets:
                for part in _SPLIT[name]:
                    self._collapse(stim.CircuitInstruction(part, [target], one.gate_args_copy()))
        elif name in _BASES:
            self._collapse(one)
        elif name not in {"QUBIT_COORDS", "SHIFT_COORDS"}:
            self._gate(one)

    def _records(self, one: stim.CircuitInstruction) -> list[int]:
        targets = one.targets_copy()
        if not all(target.is_measurement_record_target for target in targets):
            raise _refused(one)
        return [self._measured + target.value for target in targets]

    def _collapse(self, one: stim.CircuitInstruction) -> None:
        """A measurement or reset in any basis, turned to Z and back."""
        if one.gate_args_copy():
            raise _refused(one)
        basis = _BASES[one.name]
        for target in one.targets_copy():
            if target.is_inverted_result_target:
                raise _refused(one)
            turn = {"": (), "X": ("h",), "Y": ("sdg", "h")}[basis]
            back = {"": (), "X": ("h",), "Y": ("h", "s")}[basis]
            measures = one.name.startswith("M")
            for gate in turn if measures else ():
                getattr(self._out, gate)(target.value)
            if measures:
                self._out.measure(target.value, self._measured)
                self._measured += 1
            else:
                self._out.reset(target.value)
            for gate in back:
                getattr(self._out, gate)(target.value)

    def _gate(self, one: stim.CircuitInstruction) -> None:
        single = {stims: name for name, stims in ONE.items()}
        double = {stims: name for name, stims in TWO.items()}
        if one.name not in single and one.name not in double and one.name not in _TURNED:
            raise _refused(one)
        for group in one.target_groups():
            if any(target.is_measurement_record_target for target in group):
                self._feedback(one, group)
                continue
            qubits = [target.value for target in group]
            if one.name in _TURNED:
                name, turns = _TURNED[one.name]
                getattr(self._out, name)(turns * math.pi / 2, *qubits)
            else:
                getattr(self._out, (single | double)[one.name])(*qubits)

    def _feedback(self, one: stim.CircuitInstruction, group: list[stim.GateTarget]) -> None:
        control, target = group
        if not control.is_measurement_record_target or one.name not in {"CX", "CY", "CZ"}:
            raise _refused(one)
        with self._out.if_test((self._out.clbits[self._measured + control.value], 1)):
            getattr(self._out, one.name[1].lower())(target.value)


def _refused(one: stim.CircuitInstruction) -> BridgeError:
    return BridgeError(
        "CHIM795",
        f"instruction '{one}' has no form in Qiskit here",
        hint="leave noise out with circuit.without_noise(), and measure in X, Y or Z",
    )
