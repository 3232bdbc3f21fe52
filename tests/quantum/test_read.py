from __future__ import annotations

from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator

from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Operation, Register
from chimera_pipelines.quantum.read import to_instruction, to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.standard import build, classes, names
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import close_up_to_nothing, teleport


def _record(*steps: Operation) -> CircuitRecord:
    return CircuitRecord(2, (Register("q", (0, 1)),), 0, (), steps)


def test_parameters_stand_in_for_angles_in_their_order():
    record = _record(Operation("rx", (0,), params=(0.1,)), Operation("u", (1,), params=(1, 2, 3)))
    vector = ParameterVector("a", 4)
    circuit = to_qiskit(record, list(vector))
    bound = circuit.assign_parameters({vector[0]: 0.1, vector[1]: 1, vector[2]: 2, vector[3]: 3})
    assert close_up_to_nothing(Operator(bound).data, Operator(to_qiskit(record)).data)


def test_nested_conditions_come_back_on_their_register():
    circuit = to_qiskit(write_record(teleport()))
    assert [register.name for register in circuit.cregs] == ["m0", "m1", "out"]
    conditions = [i.operation.condition for i in circuit.data if i.operation.name == "if_else"]
    assert [(target.name, value) for target, value in conditions] == [("m1", 1), ("m0", 1)]


def test_every_gate_of_the_table_has_its_class_and_width():
    for name, kind in GATES.items():
        width = kind.qubits or 5
        gate = build(name, width, [0.1] * kind.angles)
        assert gate.num_qubits == width
        assert names()[gate.base_class] == name
    assert set(classes()) | {"mcx", "mcphase"} == set(GATES)


def test_matrices_are_read_row_by_row():
    gate = to_instruction(Operation("unitary", (0,), entries=(0, 1, 1j, 0)))
    assert gate.to_matrix().tolist() == [[0, 1], [1j, 0]]
