from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector

from chimera_pipelines.quantum.engines.entanglement import (
    RANK_TWO,
    bond_exponent,
    bond_exponents,
    chain_bytes,
)
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Operation
from chimera_pipelines.quantum.read import to_instruction, to_qiskit
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import QUBITS, entangled, ghz, unitary_records


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records(steps=6))
def test_no_state_has_a_larger_schmidt_rank(record):
    state = Statevector(to_qiskit(record)).data
    bounds = bond_exponents(analyse(record))
    for cut, bits in enumerate(bounds):
        matrix = state.reshape(1 << (QUBITS - 1 - cut), 1 << (cut + 1))
        assert np.linalg.matrix_rank(matrix, tol=1e-9) <= 1 << bits


def test_gates_called_of_rank_two_are_for_every_split():
    for name in RANK_TWO:
        kind = GATES[name]
        count = kind.qubits or 4
        step = Operation(name, tuple(range(count)), params=(0.3, 0.7, 1.1, 0.2)[: kind.angles])
        made = Operator(to_instruction(step)).data.reshape((2,) * (2 * count))
        for side in range(1, (1 << count) - 1):
            left = [q for q in range(count) if side >> q & 1]
            right = [q for q in range(count) if not side >> q & 1]
            order = [*left, *(count + q for q in left), *right, *(count + q for q in right)]
            matrix = made.transpose(order).reshape(1 << (2 * len(left)), -1)
            assert np.linalg.matrix_rank(matrix, tol=1e-9) <= 2


def test_bounds_of_known_circuits():
    assert bond_exponents(analyse(write_record(ghz(5)))) == (1, 1, 1, 1)
    assert bond_exponent(analyse(write_record(entangled(12)))) == 6
    swapped = QuantumCircuit(6)
    swapped.swap(0, 5)
    assert bond_exponents(analyse(write_record(swapped))) == (1, 2, 2, 2, 1)
    assert bond_exponent(analyse(write_record(QuantumCircuit(1)))) == 0


def test_starting_amplitudes_count():
    form = analyse(write_record(QuantumCircuit(4)), (Factor((0, 1, 2, 3), (1.0,) + (0.0,) * 15),))
    assert bond_exponents(form) == (1, 2, 1)


def test_bytes_of_a_chain():
    assert chain_bytes((1, 1), 16) == 2 * 16 * (2 + 4 + 2)
