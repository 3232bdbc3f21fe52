from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from scipy.linalg import expm

from chimera_pipelines.learning import circuits
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.statevector.simulator import Simulator
from tests.quantum.statevector import dense


def state(program, values):
    simulator = Simulator(program)
    return simulator.run(simulator.parameters(values))[0].numpy()


def test_the_layered_circuit_is_qiskits():
    n, layers = 4, 2
    values = np.random.default_rng(0).uniform(-3, 3, 2 * n * (layers + 1))
    theirs = QuantumCircuit(n)
    for layer in range(layers + 1):
        first = 2 * n * layer
        for q in range(n):
            theirs.ry(values[first + q], q)
            theirs.rz(values[first + n + q], q)
        if layer < layers:
            for q in range(n - 1):
                theirs.cx(q, q + 1)
    ours = state(circuits.layered(n, layers), values)
    assert np.abs(ours - Statevector(theirs).data).max() < 1e-13


def test_qaoa_is_the_product_of_exponentials():
    strings = {"ZZI": 0.7, "IZZ": -1.1, "IIZ": 0.4, "ZIZ": 0.2, "III": 3.0}
    cost = Observable.from_json(strings, 3)
    angles = [0.3, -0.8, 0.5, 1.1]
    mixer = sum(dense.pauli(dense.on("X", q, 3)) for q in range(3))
    phases = dense.operator({s: c for s, c in strings.items() if s != "III"})
    expected = np.full(8, 8**-0.5, dtype=complex)
    for g, b in zip(angles[:2], angles[2:], strict=True):
        expected = expm(-1j * b * mixer) @ expm(-1j * g * phases) @ expected
    assert np.abs(state(circuits.qaoa(3, cost.terms, 2), angles) - expected).max() < 1e-13
