from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import StatePreparation
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator

from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.aer_program import BASIS, pass_manager, product_state
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import close_up_to_nothing


@pytest.mark.parametrize("method", BASIS)
def test_what_leaves_the_pass_manager_is_in_the_basis(method):
    circuit = QuantumCircuit(3, 1)
    circuit.append(StatePreparation(np.full(8, 8**-0.5)).inverse(), [0, 1, 2])
    circuit.rccx(0, 1, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.append(StatePreparation(np.full(8, 8**-0.5)).inverse(), [2, 1, 0])
    made = pass_manager(method).run(circuit)
    names = set(made.count_ops())
    for item in made.data:
        if item.operation.name == "if_else":
            names |= set(item.operation.blocks[0].count_ops())
    assert names <= set(BASIS[method])
    assert "multiplexer" not in names


def _simulated(simulator, circuit) -> int:
    """Qubits that Aer says it simulated."""
    return simulator.run(circuit).result().results[0].metadata["num_qubits"]


def test_one_qubits_expectation_runs_the_whole_circuit_here_and_its_light_cone_in_stock_aer():
    """Whoever times stock Aer by saving one ⟨Z⟩ times another circuit (evidence, trap 3)."""
    width = 8
    circuit = QuantumCircuit(width)
    for qubit in range(width):
        circuit.ry(0.1 + qubit, qubit)
    circuit.cx(0, 1)
    saved = circuit.copy()
    saved.save_expectation_value(SparsePauliOp("Z"), [0], label="z")
    assert _simulated(AerSimulator(method="statevector"), saved) == 2

    form = analyse(write_record(circuit))
    program = AerEngine().compile(form, method="statevector", precision="double")
    assert _simulated(program.simulator, saved) == width
    (state,) = program.evolve([form])
    assert np.abs(state - Statevector(circuit).data).max() < 1e-12


def test_the_pass_manager_is_built_once():
    assert pass_manager("statevector") is pass_manager("statevector")


def test_resets_stay_because_amplitudes_may_come_before_them():
    circuit = QuantumCircuit(1)
    circuit.reset(0)
    assert pass_manager("statevector").run(circuit).count_ops() == {"reset": 1}


def test_a_product_of_factors_is_the_state():
    rng = np.random.default_rng(1)
    one = rng.normal(size=2) + 1j * rng.normal(size=2)
    two = rng.normal(size=4) + 1j * rng.normal(size=4)
    made = product_state([Factor((2,), tuple(one)), Factor((3, 0), tuple(two))], 4)
    expected = Statevector.from_label("0000")
    expected = expected.evolve(StatePreparation(one, normalize=True), [2])
    expected = expected.evolve(StatePreparation(two, normalize=True), [3, 0])
    assert close_up_to_nothing(made, expected.data)
