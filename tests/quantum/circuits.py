"""Circuits that several tests share: those of the acceptance documents, and random records."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

from chimera_pipelines.quantum.gates import GATES, IF, MEASURE, RESET, UNITARY
from chimera_pipelines.quantum.operations import Condition, Operation, Register
from chimera_pipelines.quantum.record import CircuitRecord

QUBITS = 5


def ghz(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    circuit.h(0)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def entangled(width: int) -> QuantumCircuit:
    """No Clifford circuit, and its bonds are bounded by the width alone."""
    circuit = QuantumCircuit(width)
    for step in range(width):
        for qubit in range(width):
            circuit.ry(0.3 + step + 0.1 * qubit, qubit)
        for qubit in range(width - 1):
            circuit.cx(qubit, qubit + 1)
    return circuit


def cone() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.ry(1.94, 0)
    circuit.cx(0, 2)
    circuit.cx(2, 0)
    return circuit


def measured(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    circuit.measure_all()
    return circuit


def teleport() -> QuantumCircuit:
    q = QuantumRegister(3, "q")
    m0, m1, out = (ClassicalRegister(1, name) for name in ("m0", "m1", "out"))
    circuit = QuantumCircuit(q, m0, m1, out)
    circuit.x(0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure(0, m0)
    circuit.measure(1, m1)
    with circuit.if_test((m1, 1)):
        circuit.x(2)
    with circuit.if_test((m0, 1)):
        circuit.z(2)
    circuit.measure(2, out)
    return circuit


angles = st.floats(-7.0, 7.0, allow_nan=False)


def _unit(draw: st.DrawFn, size: int) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vector = rng.normal(size=size) + 1j * rng.normal(size=size)
    return vector / np.linalg.norm(vector)


def _matrix(draw: st.DrawFn, side: int) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made, _ = np.linalg.qr(rng.normal(size=(side, side)) + 1j * rng.normal(size=(side, side)))
    return made


@st.composite
def gate_steps(draw: st.DrawFn, width: int = QUBITS) -> Operation:
    """Any gate of the table, a unitary, or a state preparation or its inverse."""
    name = draw(st.sampled_from([*GATES, UNITARY, "state_preparation", "state_preparation_dg"]))
    order = tuple(draw(st.permutations(range(width))))
    if name == UNITARY:
        size = draw(st.integers(1, 2))
        entries = tuple(complex(z) for z in _matrix(draw, 1 << size).ravel())
        return Operation(name, order[:size], entries=entries)
    if name not in GATES:
        size = draw(st.integers(1, 3))
        return Operation(name, order[:size], entries=tuple(map(complex, _unit(draw, 1 << size))))
    kind = GATES[name]
    lowest = 4 if name == "mcx" else 2
    size = kind.qubits or draw(st.integers(lowest, width))
    params = tuple(draw(angles) for _ in range(kind.angles))
    return Operation(name, order[:size], params=params)


@st.composite
def unitary_records(draw: st.DrawFn, width: int = QUBITS, steps: int = 8) -> CircuitRecord:
    return CircuitRecord(
        num_qubits=width,
        qregs=(Register("q", tuple(range(width))),),
        num_clbits=0,
        cregs=(),
        operations=tuple(draw(st.lists(gate_steps(width), max_size=steps))),
        global_phase=draw(st.floats(0.0, 6.28)),
    )


@st.composite
def _steps(draw: st.DrawFn, depth: int) -> Operation:
    kinds = ["gate", "gate", MEASURE, RESET] + ([IF] if depth < 3 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "gate":
        return draw(gate_steps())
    if kind == MEASURE:
        return Operation(MEASURE, (draw(st.integers(0, 4)),), (draw(st.integers(0, 3)),))
    if kind == RESET:
        return Operation(RESET, (draw(st.integers(0, 4)),))
    if draw(st.booleans()):
        condition = Condition((0, 1), draw(st.integers(0, 3)), "c")
    else:
        condition = Condition((draw(st.integers(0, 3)),), draw(st.integers(0, 1)))
    body = tuple(draw(st.lists(_steps(depth + 1), min_size=1, max_size=3)))
    orelse = tuple(draw(st.lists(_steps(depth + 1), max_size=2)))
    return Operation(IF, condition=condition, body=body, orelse=orelse)


@st.composite
def dynamic_records(draw: st.DrawFn) -> CircuitRecord:
    """Gates, measurements, resets and nested `if` over registers c[2], a lone bit, e[1]."""
    return CircuitRecord(
        num_qubits=QUBITS,
        qregs=(Register("q", (0, 1, 2)), Register("a", (3,), lone=True), Register("r", (4,))),
        num_clbits=4,
        cregs=(Register("c", (0, 1)), Register("d", (2,), lone=True), Register("e", (3,))),
        operations=tuple(draw(st.lists(_steps(0), max_size=6))),
    )


def close_up_to_nothing(left: np.ndarray, right: np.ndarray, tolerance: float = 1e-12) -> bool:
    """Equality without freedom of a global phase."""
    return bool(np.abs(left - right).max() < tolerance)


def chi_square(counts: dict, chances: dict) -> tuple[float, int]:
    """χ² and its degrees of freedom; outcomes expected less than 5 times are pooled."""
    shots = sum(counts.values())
    terms, pooled, expected_pool = [], 0, 0.0
    for key in set(counts) | set(chances):
        expected = shots * chances.get(key, 0.0)
        if expected < 5:
            pooled += counts.get(key, 0)
            expected_pool += expected
        else:
            terms.append((counts.get(key, 0) - expected) ** 2 / expected)
    if expected_pool >= 5:
        terms.append((pooled - expected_pool) ** 2 / expected_pool)
    elif pooled > 30 + 10 * math.sqrt(expected_pool):
        terms.append(math.inf)
    return math.fsum(terms), max(1, len(terms) - 1)


def fits(counts: dict, chances: dict) -> bool:
    """Whether counts follow chances; wrong with probability 1e-7 when they do."""
    from scipy.stats import chi2

    value, freedom = chi_square(counts, chances)
    return value < float(chi2.isf(1e-7, freedom))
