"""Noise against channels written as sums over Pauli matrices, in plain numpy."""

from __future__ import annotations

from functools import reduce
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.quantum_info import Operator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.channels import misread
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import fits, ghz

PAULI = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}
WIDTH = 3


def _pauli(letters: dict[int, str]) -> np.ndarray:
    return reduce(np.kron, [PAULI[letters.get(q, "I")] for q in reversed(range(WIDTH))])


def _depolarized(rho: np.ndarray, chance: float, qubits: list[int]) -> np.ndarray:
    """(1 − p) ρ + p Σ P ρ P† / 4^k over all Paulis, the identity among them."""
    mixed = np.zeros_like(rho)
    for letters in product("IXYZ", repeat=len(qubits)):
        matrix = _pauli(dict(zip(qubits, letters, strict=True)))
        mixed += matrix @ rho @ matrix.conj().T
    return (1 - chance) * rho + chance * mixed / 4 ** len(qubits)


def _exact(circuit: QuantumCircuit, noise: Noise) -> np.ndarray:
    rho = np.zeros((1 << WIDTH, 1 << WIDTH), dtype=complex)
    rho[0, 0] = 1
    for item in circuit.data:
        qubits = [circuit.find_bit(q).index for q in item.qubits]
        alone = QuantumCircuit(WIDTH)
        alone.append(item.operation, qubits)
        matrix = Operator(alone).data
        rho = matrix @ rho @ matrix.conj().T
        rho = _depolarized(rho, noise.after(len(qubits)), qubits)
    return rho


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    """Neighbouring gates that a transpiler would merge, swap away, or split."""
    circuit = QuantumCircuit(WIDTH)
    for _ in range(draw(st.integers(1, 8))):
        a, b, _ = draw(st.permutations(range(WIDTH)))
        name = draw(st.sampled_from(["h", "x", "id", "rx", "cx", "swap", "ch", "iswap"]))
        turn = (draw(st.floats(-3.0, 3.0)),) if name == "rx" else ()
        getattr(circuit, name)(*turn, *((a,) if name in {"h", "x", "id", "rx"} else (a, b)))
    return circuit


chances = st.floats(0.0, 1.0)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(circuit=circuits(), one=chances, two=chances)
def test_each_gate_as_written_is_depolarized(circuit, one, two):
    noise = Noise(one, two)
    rho = _exact(circuit, noise)
    engine = AerEngine()
    for string in ("ZIZ", "IXY", "YIX", "ZZZ"):
        expected = np.trace(rho @ _pauli(dict(enumerate(reversed(string))))).real
        observable = Observable.from_json({string: 1.0}, WIDTH)
        (held,) = engine.propagate(
            [Embedded(write_record(circuit))], Request(None, 0, (observable,), noise=noise)
        )
        assert held.measurement.expectation == pytest.approx(expected, abs=1e-12)


def test_readout_flips_counts_probabilities_and_expectations_alike():
    """20,000 shots against the exact probabilities: false failure below 1e-6."""
    noise = Noise(0.02, 0.05, 0.1)
    circuit = [Embedded(write_record(ghz(WIDTH)))]
    (exact,) = AerEngine().propagate(circuit, Request(None, 0, noise=noise))
    rho = _exact(ghz(WIDTH).remove_final_measurements(inplace=False), noise)
    flip = np.array([[0.9, 0.1], [0.1, 0.9]])
    expected = reduce(np.kron, [flip] * WIDTH) @ np.diag(rho).real
    found = exact.measurement.probabilities
    assert found == pytest.approx({format(i, "03b"): p for i, p in enumerate(expected)}, abs=1e-12)
    (sampled,) = AerEngine().propagate(circuit, Request(20_000, 1, noise=noise))
    assert fits(sampled.measurement.counts, found)

    signs = [(-1) ** i.bit_count() for i in range(1 << WIDTH)]
    bare = ghz(WIDTH).remove_final_measurements(inplace=False)
    observable = Observable.from_json({"ZZZ": 1.0}, WIDTH)
    (value,) = AerEngine().propagate(
        [Embedded(write_record(bare))], Request(None, 0, (observable,), noise=noise)
    )
    assert value.measurement.expectation == pytest.approx(float(expected @ signs), abs=1e-12)


def test_bits_that_are_not_measured_stay_zero():
    found = misread({0: 1.0}, {2: 0}, Noise(readout=0.25))
    assert found == pytest.approx({0: 0.75, 4: 0.25})
    assert misread({0: 1.0}, {2: 0}, Noise(0.1)) == {0: 1.0}


def test_noise_reaches_the_gates_of_a_branch():
    """Every second gate is wholly depolarizing: the bit is fair. False failure below 1e-6."""
    circuit = QuantumCircuit(1)
    first, second = ClassicalRegister(1, "a"), ClassicalRegister(1, "b")
    circuit.add_register(first, second)
    circuit.measure(0, first)
    with circuit.if_test((first, 0)):
        circuit.x(0)
    circuit.measure(0, second)
    (held,) = AerEngine().propagate(
        [Embedded(write_record(circuit))], Request(4000, 3, noise=Noise(1.0))
    )
    assert fits(held.measurement.counts, {"0 0": 0.5, "1 0": 0.5})


def test_gates_of_three_qubits_have_no_noise_and_are_refused():
    circuit = QuantumCircuit(3)
    circuit.ccx(0, 1, 2)
    circuit.measure_all()
    with pytest.raises(KernelError, match="ccx") as caught:
        AerEngine().propagate([Embedded(write_record(circuit))], Request(1, 0, noise=Noise(0.1)))
    assert caught.value.code == "MAML319"
