from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Pauli, Statevector

from chimera_pipelines.quantum.engines import cones
from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Operation
from chimera_pipelines.quantum.read import to_instruction, to_qiskit
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import QUBITS, unitary_records

strings = st.text("IXYZ", min_size=QUBITS, max_size=QUBITS).filter(lambda s: s.strip("I"))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records(steps=10), string=strings)
def test_a_cone_has_the_expectation_of_the_whole_circuit(record, string):
    expected = Statevector(to_qiskit(record)).expectation_value(Pauli(string)).real
    found = cones.cut(record, string)
    assert found.width == cones.width(record, string) <= QUBITS
    mine = Statevector(to_qiskit(found.record)).expectation_value(Pauli(found.string)).real
    assert mine == pytest.approx(expected, abs=1e-12)


def test_gates_called_diagonal_are():
    for name in cones.DIAGONAL:
        kind = GATES[name]
        step = Operation(name, tuple(range(kind.qubits or 3)), params=(0.3, 0.7)[: kind.angles])
        made = Operator(to_instruction(step)).data
        assert np.allclose(made, np.diag(np.diag(made)), atol=1e-15)


def _qaoa(graph: networkx.Graph, layers: int, order: int = 0) -> QuantumCircuit:
    circuit = QuantumCircuit(len(graph))
    circuit.h(circuit.qubits)
    edges = list(graph.edges)
    np.random.default_rng(order).shuffle(edges)
    for _ in range(layers):
        for a, b in edges:
            circuit.rzz(0.7, int(a), int(b))
        circuit.rx(0.4, circuit.qubits)
    return circuit


def _string(width: int, *qubits: int) -> str:
    return "".join("Z" if q in qubits else "I" for q in reversed(range(width)))


@pytest.mark.parametrize(("layers", "widest"), [(1, 6), (2, 14)])
def test_an_edge_of_a_cubic_graph_sees_its_neighbourhood_in_any_order_of_gates(layers, widest):
    graph = networkx.random_regular_graph(3, 60, seed=2)
    for order in range(3):
        record = write_record(_qaoa(graph, layers, order))
        for a, b in graph.edges:
            near = {a, b}
            for _ in range(layers):
                near |= {n for node in near for n in graph.neighbors(node)}
            assert cones.width(record, _string(60, a, b)) == len(near) <= widest


def test_equal_neighbourhoods_of_a_ring_are_one_cone():
    width = 40
    record = write_record(_qaoa(networkx.cycle_graph(width), 1))
    found = {cones.cut(record, _string(width, q, (q + 1) % width)) for q in range(width)}
    assert len(found) <= 4


def test_a_string_that_nothing_touches_is_alone():
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.cx(0, 1)
    found = cones.cut(write_record(circuit), "XIII")
    assert (found.width, found.string, found.record.operations) == (1, "X", ())
