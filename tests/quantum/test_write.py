from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Gate, IfElseOp, Parameter
from qiskit.circuit.classical import expr
from qiskit.circuit.library import (
    CXGate,
    DiagonalGate,
    GlobalPhaseGate,
    Initialize,
    Isometry,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    RYGate,
    StatePreparation,
    UCGate,
    XGate,
    ZGate,
)
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector, random_clifford

from chimera_pipelines.quantum.operations import RecordError
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import circuits_from_json, from_json
from chimera_pipelines.quantum.write import encode_circuits, write_record
from tests.quantum.circuits import close_up_to_nothing, dynamic_records, teleport, unitary_records

VECTOR = np.array([1, 2, 3, 4j, 0, 1, 2, 5]) / math.sqrt(60)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(unitary_records())
def test_the_way_through_qiskit_keeps_the_operator_and_its_phase(record):
    circuit = to_qiskit(record)
    again = write_record(circuit)
    assert again.operations == record.operations
    assert again.qregs == record.qregs
    assert close_up_to_nothing(
        Operator(circuit).data, Operator(to_qiskit(from_json(again.as_json()))).data
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(dynamic_records())
def test_the_way_through_qiskit_keeps_measurements_and_nested_conditions(record):
    again = write_record(to_qiskit(record))
    assert again.operations == record.operations
    assert [r.bits for r in again.cregs] == [r.bits for r in record.cregs]
    assert [r.lone for r in again.cregs] == [r.lone for r in record.cregs]


COMPOSITES = {
    "inverse state preparation": (StatePreparation(VECTOR).inverse(), 3),
    "state preparation by label": (StatePreparation("+0r"), 3),
    "state preparation by number": (StatePreparation(5, num_qubits=3), 3),
    "quantum Fourier transform": (QFTGate(4), 4),
    "open control": (CXGate(ctrl_state=0), 2),
    "controlled rotation": (RYGate(0.3).control(3), 4),
    "Pauli gate": (PauliGate("XYZ"), 3),
    "uniformly controlled gate": (UCGate([np.eye(2), np.array([[0, 1], [1, 0]])]), 2),
    "annotated control": (XGate().control(2, annotated=True), 3),
    "permutation": (PermutationGate([2, 0, 1]), 3),
    "Clifford": (random_clifford(3, seed=1), 3),
    "evolution": (PauliEvolutionGate(SparsePauliOp(["XX", "ZZ"], [0.1, 0.2]), time=0.7), 2),
    "diagonal": (DiagonalGate([1, -1, 1j, 1]), 2),
    "root of Z": (ZGate().power(0.5), 1),
    "isometry": (Isometry(VECTOR, 0, 0), 3),
    "global phase": (GlobalPhaseGate(0.4), 0),
}


@pytest.mark.parametrize(("gate", "width"), COMPOSITES.values(), ids=COMPOSITES.keys())
def test_other_gates_are_taken_apart_into_the_same_operator(gate, width):
    circuit = QuantumCircuit(max(width, 1), global_phase=0.3)
    circuit.append(gate, range(width))
    record = from_json(write_record(circuit).as_json())
    assert close_up_to_nothing(Operator(circuit).data, Operator(to_qiskit(record)).data, 1e-11)


def test_initialize_in_front_gives_the_state():
    circuit = QuantumCircuit(3)
    circuit.append(Initialize(VECTOR), [2, 0, 1])
    circuit.h(1)
    record = write_record(circuit)
    assert [step.name for step in record.operations][-2:] == ["state_preparation", "h"]
    expected = Statevector(QuantumCircuit(3)).evolve(StatePreparation(VECTOR), [2, 0, 1])
    expected = expected.evolve(QuantumCircuit(3).compose(_h(1, 3)))
    gates = [step for step in record.operations if step.name != "reset"]
    made = Statevector(QuantumCircuit(3))
    for step in gates:
        made = made.evolve(to_qiskit(_only(record, step)))
    assert close_up_to_nothing(made.data, expected.data)


def _h(qubit, width):
    circuit = QuantumCircuit(width)
    circuit.h(qubit)
    return circuit


def _only(record, step):
    from dataclasses import replace

    return replace(record, operations=(step,))


def test_an_opaque_gate_is_refused_by_name():
    circuit = QuantumCircuit(2)
    circuit.append(Gate("black_box", 2, []), [0, 1])
    with pytest.raises(RecordError, match="opaque gate 'black_box'") as caught:
        write_record(circuit)
    assert caught.value.code == "MAML319"
    assert str(caught.value).startswith("MAML319")


def test_an_opaque_gate_inside_a_condition_is_refused():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((0, 1)):
        circuit.append(Gate("black_box", 1, []), [0])
    with pytest.raises(RecordError, match="black_box"):
        write_record(circuit)


def test_a_gate_that_only_bears_a_known_name_is_not_trusted():
    circuit = QuantumCircuit(2)
    circuit.append(Gate("cx", 2, []), [0, 1])
    with pytest.raises(RecordError, match="opaque"):
        write_record(circuit)


def test_a_gate_defined_by_itself_ends():
    class Endless(Gate):
        def __init__(self):
            super().__init__("endless", 1, [])

        def _define(self):
            self.definition = QuantumCircuit(1)
            self.definition.append(Endless(), [0])

    circuit = QuantumCircuit(1)
    circuit.append(Endless(), [0])
    with pytest.raises(RecordError, match="nested"):
        write_record(circuit)


def test_an_unbound_parameter_is_named():
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("theta") + 1, 0)
    with pytest.raises(RecordError, match="unbound parameter 'theta'"):
        write_record(circuit)


def test_bound_expressions_become_floats():
    theta = Parameter("theta")
    circuit = QuantumCircuit(1)
    circuit.rx(2 * theta, 0)
    record = write_record(circuit.assign_parameters({theta: 0.25}))
    assert record.operations[0].params == (0.5,)


def test_a_loop_over_a_range_is_unrolled_with_its_index():
    circuit = QuantumCircuit(1)
    with circuit.for_loop(range(3)) as index:
        circuit.rx(index * 0.5, 0)
    assert [step.params for step in write_record(circuit).operations] == [(0.0,), (0.5,), (1.0,)]


def test_a_switch_becomes_nested_conditions():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(2, "c"))
    with circuit.switch(circuit.cregs[0]) as case:
        with case(0, 3):
            circuit.x(0)
        with case(case.DEFAULT):
            circuit.h(0)
    (step,) = write_record(circuit).operations
    assert (step.condition.register, step.condition.value) == ("c", 0)
    assert [inner.name for inner in step.body] == ["x"]
    (second,) = step.orelse
    assert second.condition.value == 3
    assert [inner.name for inner in second.orelse] == ["h"]


def test_a_while_loop_is_refused():
    circuit = QuantumCircuit(1, 1)
    with circuit.while_loop((0, 1)):
        circuit.measure(0, 0)
    with pytest.raises(RecordError, match="while_loop"):
        write_record(circuit)


def test_a_condition_that_is_an_expression_is_refused():
    circuit = QuantumCircuit(1, 2)
    with circuit.if_test(expr.logic_and(circuit.clbits[0], circuit.clbits[1])):
        circuit.x(0)
    with pytest.raises(RecordError, match="expression"):
        write_record(circuit)


def test_conditions_of_a_body_with_bits_of_its_own_are_put_on_the_outer_bits():
    body = QuantumCircuit(1, 1)
    with body.if_test((body.clbits[0], 1)):
        body.x(0)
    circuit = QuantumCircuit(3, 3)
    circuit.append(IfElseOp((circuit.clbits[2], 1), body), [2], [1])
    (outer,) = write_record(circuit).operations
    (inner,) = outer.body
    assert (outer.condition.bits, inner.condition.bits) == ((2,), (1,))
    assert inner.body[0].qubits == (2,)


def test_lone_bits_stand_where_they_were_declared():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(2, "c"))
    circuit.add_bits([Clbit()])
    circuit.add_register(ClassicalRegister(1, "e"))
    record = write_record(circuit)
    assert [(r.bits, r.lone) for r in record.cregs] == [
        ((0, 1), False),
        ((2,), True),
        ((3,), False),
    ]


def test_registers_that_share_bits_are_refused():
    bits = [Clbit(), Clbit()]
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(name="a", bits=bits))
    circuit.add_register(ClassicalRegister(name="b", bits=bits[:1]))
    with pytest.raises(RecordError, match="shares bits"):
        write_record(circuit)


def test_one_circuit_and_a_list_of_one_are_told_apart():
    single, _ = encode_circuits(teleport())
    several, attachments = encode_circuits([teleport()])
    assert circuits_from_json(single)[1] is False
    assert circuits_from_json(several)[1] is True
    assert attachments == []


@pytest.mark.parametrize("value", [None, {"counts": {}}, [1], "OPENQASM 3;"])
def test_what_is_no_circuit_is_refused(value):
    with pytest.raises(RecordError) as caught:
        encode_circuits(value)
    assert caught.value.code == "MAML904"
