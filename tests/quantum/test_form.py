from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.quantum.form import analyse, is_clifford, quarter_turns
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import cone, ghz, measured, teleport


def _form(circuit: QuantumCircuit):
    return analyse(write_record(circuit))


def test_final_measurements_leave_a_unitary_body():
    form = _form(ghz(3))
    assert form.final == {0: 0, 1: 1, 2: 2}
    assert [step.name for step in form.body.operations] == ["h", "cx", "cx"]
    assert (form.body.num_clbits, form.body.cregs) == (0, ())


def test_the_last_measurement_into_a_bit_counts():
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.measure(1, 0)
    assert _form(circuit).final == {0: 1}


def test_gates_on_other_qubits_may_follow_a_measurement():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    circuit.h(1)
    circuit.measure(1, 1)
    assert not _form(circuit).dynamic


@pytest.mark.parametrize("kind", ["gate", "reset", "if"])
def test_what_happens_after_a_measurement_makes_a_circuit_dynamic(kind):
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    if kind == "gate":
        circuit.h(0)
    elif kind == "reset":
        circuit.reset(0)
    else:
        with circuit.if_test((0, 1)):
            circuit.x(0)
    assert _form(circuit).dynamic


def test_initialize_in_front_is_a_starting_state_and_not_a_structure():
    forms = []
    for vector in ([0.6, 0.8], [0.8, 0.6]):
        circuit = QuantumCircuit(2)
        circuit.initialize(vector, 1)
        circuit.cx(1, 0)
        circuit.measure_all()
        forms.append(_form(circuit))
    assert not forms[0].dynamic
    assert forms[0].factors[0].qubits == (1,)
    assert forms[0].structure() == forms[1].structure()


def test_initialize_after_a_gate_is_a_reset():
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.initialize([0.6, 0.8], 0)
    circuit.measure_all()
    assert _form(circuit).dynamic


def test_angles_are_no_structure_but_matrices_are():
    def turned(angle):
        circuit = QuantumCircuit(1)
        circuit.rx(angle, 0)
        circuit.measure_all()
        return _form(circuit)

    assert turned(0.1).structure() == turned(0.2).structure()
    assert turned(0.1).structure(angles=True) != turned(0.2).structure(angles=True)
    assert turned(0.1).structure() != _form(measured(1)).structure()
    assert turned(0.1).angles == (0.1,)


def test_angles_inside_conditions_are_found():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.rx(0.3, 0)
    assert _form(circuit).angles == (0.3,)


def test_clifford_is_read_off_names_and_quarter_turns():
    assert is_clifford(write_record(teleport()))
    assert not is_clifford(write_record(cone()))
    circuit = QuantumCircuit(1)
    circuit.rx(math.pi / 2, 0)
    assert is_clifford(write_record(circuit))
    circuit.t(0)
    assert not is_clifford(write_record(circuit))


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (-math.pi / 2, 3), (9 * math.pi / 2, 1)])
def test_quarter_turns(angle, turns):
    assert quarter_turns(angle) == turns
    assert quarter_turns(angle + 0.001) is None
