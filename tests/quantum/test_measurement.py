from __future__ import annotations

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit
from qiskit_aer import AerSimulator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.measurement import Measurement, keys, named
from chimera_pipelines.quantum.write import write_record


def test_keys_are_those_of_qiskit_for_registers():
    circuit = QuantumCircuit(
        QuantumRegister(4, "q"), ClassicalRegister(2, "c"), ClassicalRegister(1, "d"),
        ClassicalRegister(3, "e"),
    )  # fmt: skip
    circuit.x([0, 3])
    circuit.measure([0, 1, 2, 3], [0, 2, 4, 5])
    counts = AerSimulator().run(circuit, shots=10).result().get_counts()
    assert named(write_record(circuit), {0b100001: 10}) == counts == {"100 0 01": 10}


def test_a_lone_bit_is_a_register_of_one():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(2, "c"))
    circuit.add_bits([Clbit()])
    circuit.add_register(ClassicalRegister(1, "e"))
    key = keys(write_record(circuit, ["d"]))
    assert key(0b0110) == "0 1 10"
    assert write_record(circuit, ["d"]).registers == ("e", "d", "c")


def test_bits_of_a_register_may_lie_anywhere():
    bits = [Clbit(), Clbit(), Clbit()]
    circuit = QuantumCircuit([*QuantumRegister(1, "q")], bits)
    circuit.add_register(ClassicalRegister(name="r", bits=[bits[2], bits[0]]))
    record = write_record(circuit)
    assert sorted(r.bits for r in record.cregs) == [(1,), (2, 0)]
    assert keys(record)(0b100).replace(" ", "").count("1") == 1


def test_named_outcomes_are_in_order_so_that_a_rerun_writes_the_same_text():
    circuit = QuantumCircuit(2, 2)
    assert list(named(write_record(circuit), {3: 1, 0: 2})) == ["00", "11"]


@pytest.mark.parametrize(
    "measurement",
    [
        Measurement(counts={"0": 3}, registers=("c",)),
        Measurement(probabilities={"0 1": 0.25}, registers=("d", "c")),
        Measurement(expectation=-0.5),
        Measurement(expectation=-0.5, error=0.01, shots=300),
        Measurement(counts={"0": 3}, registers=("c",), shots=3),
    ],
)
def test_measurements_survive_json(measurement):
    assert Measurement.from_json(measurement.as_json()) == measurement


@pytest.mark.parametrize(
    "value",
    [
        {"error": "1"},
        {"shots": 0.5},
        {"counts": [1]},
        {"counts": {"0": 0.5}},
        {"expectation": "1"},
        {"registers": "c"},
    ],
)
def test_other_shapes_are_refused(value):
    with pytest.raises(KernelError):
        Measurement.from_json(value)
