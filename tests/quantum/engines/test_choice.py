from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.choice import choose_method, state_bytes
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz

AVAILABLE = frozenset({"statevector", "stabilizer", "density_matrix", "matrix_product_state"})


def _form(circuit: QuantumCircuit, *factors: Factor):
    return analyse(write_record(circuit), factors)


def test_small_circuits_evolve_as_state_vectors():
    assert choose_method(_form(ghz(10)), Request(1, 0), AVAILABLE) == "statevector"


def test_large_clifford_circuits_go_to_the_stabilizer():
    assert choose_method(_form(ghz(100)), Request(1, 0), AVAILABLE) == "stabilizer"


def test_a_clifford_circuit_without_room_for_its_state_too():
    assert choose_method(_form(ghz(10)), Request(1, 0, room=100), AVAILABLE) == "stabilizer"


def test_large_circuits_that_are_not_clifford_are_refused_with_numbers():
    circuit = QuantumCircuit(40)
    circuit.t(0)
    circuit.measure_all()
    with pytest.raises(KernelError, match=f"need {16 << 40} bytes") as caught:
        choose_method(_form(circuit), Request(1, 0), AVAILABLE)
    assert caught.value.code == "MAML413"
    assert "matrix_product_state" in (caught.value.hint or "")


def test_amplitudes_do_not_go_to_the_stabilizer():
    with pytest.raises(KernelError, match="need"):
        choose_method(_form(ghz(40), Factor((0,), (1, 0))), Request(1, 0), AVAILABLE)


def test_bytes_of_states():
    form = _form(ghz(10))
    assert state_bytes(form, Request(1, 0)) == 16 * 2**10
    assert state_bytes(form, Request(1, 0, precision="single"), power=2) == 8 * 2**20
