from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import StatePreparation
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit_aer import AerSimulator

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.embedding import Embedded, Embedding, embed
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.protocol import Collapsed, Evolved, Request
from chimera_pipelines.quantum.form import Factor
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import (
    close_up_to_nothing,
    cone,
    entangled,
    fits,
    ghz,
    measured,
    teleport,
    unitary_records,
)

STRINGS = {"ZIXYI": 0.3, "XXIIZ": 1.0, "YYZII": 2.0, "IIIII": 0.5, "ZZZZZ": 1.5}
OTHER_METHODS = ["density_matrix", "matrix_product_state"]


@pytest.fixture(scope="module")
def engine() -> AerEngine:
    return AerEngine()


def _state(engine: AerEngine, record) -> np.ndarray:
    request = Request(
        None, 0, (Observable.from_json({"I" * record.num_qubits: 1.0}, record.num_qubits),)
    )
    (held,) = engine.propagate([Embedded(record)], request)
    assert isinstance(held, Evolved)
    return held.state


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records())
def test_states_agree_with_qiskit_to_1e12(engine, record):
    expected = Statevector(to_qiskit(record)).data
    assert close_up_to_nothing(_state(engine, record), expected)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records(steps=6))
@pytest.mark.parametrize("method", OTHER_METHODS)
def test_expectation_agrees_with_qiskit_on_other_methods(engine, method, record):
    observable = Observable.from_json(STRINGS, 5)
    operator = SparsePauliOp.from_list(list(STRINGS.items()))
    expected = Statevector(to_qiskit(record)).expectation_value(operator).real
    (held,) = engine.propagate([Embedded(record)], Request(None, 0, (observable,), method))
    assert held.measurement.expectation == pytest.approx(expected, abs=1e-8)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records(steps=6))
def test_many_rows_of_one_structure_give_what_each_gives_alone(engine, record):
    rows = Embedding("angle", ((0.1, 0.2), (1.3, -0.4), (2.0, 0.0)), is_list=True)
    made, _ = embed([record], rows, is_list=False)
    observable = Observable.from_json({"IIIII": 1.0}, 5)
    together = engine.propagate(made, Request(None, 0, (observable,) * 3))
    for one, circuit in zip(together, made, strict=True):
        assert close_up_to_nothing(one.state, Statevector(to_qiskit(circuit.record)).data)


def test_amplitudes_start_the_circuit():
    vector = (0.5, 0.5j, -0.5, 0.5)
    circuit = QuantumCircuit(3)
    circuit.cx(0, 2)
    made = Embedded(write_record(circuit), (Factor((1, 0), vector),))
    observable = Observable.from_json({"III": 1.0}, 3)
    (held,) = AerEngine().propagate([made], Request(None, 0, (observable,)))
    start = Statevector.from_label("000").evolve(StatePreparation(list(vector)), [1, 0])
    assert close_up_to_nothing(held.state, start.evolve(circuit).data)


@pytest.mark.parametrize("method", ["automatic", *OTHER_METHODS])
def test_amplitudes_start_the_circuit_on_every_method(engine, method):
    made, _ = embed(
        [write_record(measured(2))], Embedding("amplitude", ((3.0, 0.0, 0.0, 4.0),)), is_list=False
    )
    (held,) = engine.propagate(made, Request(None, 0, None, method))
    if isinstance(held, Evolved):
        assert sampling.probabilities(held.state, held.measured) == pytest.approx(
            {0: 0.36, 3: 0.64}
        )
    else:
        assert held.measurement.probabilities == pytest.approx({"00": 0.36, "11": 0.64})


def test_a_loop_of_forty_passes_pays_for_one_compilation():
    engine = AerEngine()
    for step in range(40):
        circuit = QuantumCircuit(2)
        circuit.initialize([math.cos(step), math.sin(step)], 0)
        circuit.ry(0.1 * step, 1)
        circuit.cx(0, 1)
        circuit.rz(-0.3 * step, 0)
        circuit.measure_all()
        engine.propagate([Embedded(write_record(circuit))], Request(100, step))
    assert engine.compilations == 1


def test_programs_are_kept_for_dynamic_circuits_too():
    engine = AerEngine()
    for angle in (0.1, 0.2, 0.3):
        circuit = QuantumCircuit(1, 1)
        circuit.measure(0, 0)
        with circuit.if_test((0, 0)):
            circuit.rx(angle, 0)
        circuit.measure(0, 0)
        (held,) = engine.propagate([Embedded(write_record(circuit))], Request(20_000, 1))
        chances = {"0": math.cos(angle / 2) ** 2, "1": math.sin(angle / 2) ** 2}
        assert fits(held.measurement.counts, chances)
    assert engine.compilations == 1


@pytest.mark.parametrize("method", ["automatic", "stabilizer", *OTHER_METHODS])
def test_a_measured_bit_decides_a_later_gate(engine, method):
    """Four outcomes of 1/4 each: false failure below 1e-6."""
    (held,) = engine.propagate([Embedded(write_record(teleport()))], Request(4000, 5, None, method))
    counts = held.measurement.counts
    assert held.measurement.registers == ("out", "m1", "m0")
    assert fits(counts, {f"1 {a} {b}": 0.25 for a in "01" for b in "01"})


@pytest.mark.parametrize("method", ["stabilizer", *OTHER_METHODS])
def test_equal_seeds_give_equal_counts(engine, method):
    circuits = [Embedded(write_record(ghz(4)))] * 2
    first = engine.propagate(circuits, Request(500, 3, None, method))
    again = engine.propagate(circuits, Request(500, 3, None, method))
    assert first == again
    assert first[0].measurement.counts != first[1].measurement.counts


@pytest.mark.parametrize("method", ["stabilizer", *OTHER_METHODS])
def test_exact_probabilities_without_a_kept_state(engine, method):
    circuit = QuantumCircuit(3, 3)
    circuit.h(2)
    circuit.cx(2, 0)
    circuit.measure([2, 1, 0], [0, 1, 2])
    (held,) = engine.propagate([Embedded(write_record(circuit))], Request(None, 0, None, method))
    assert isinstance(held, Collapsed)
    assert held.measurement.probabilities == pytest.approx({"000": 0.5, "101": 0.5})


@pytest.mark.parametrize("method", ["stabilizer", *OTHER_METHODS])
def test_expectation_from_shots_without_a_kept_state(engine, method):
    """Standard error at most 1/100 a term; 6 of them: false failure below 1e-8."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.s(1)
    observable = Observable.from_json({"XY": 1.0, "ZZ": 2.0, "II": 0.5, "IZ": 1.0}, 2)
    (held,) = engine.propagate(
        [Embedded(write_record(circuit))], Request(10_000, 1, (observable,), method)
    )
    assert held.measurement.expectation == pytest.approx(3.5, abs=0.06)


def test_an_observable_after_a_reset_is_sampled(engine):
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.reset(0)
    observable = Observable.from_json({"Z": 1.0}, 1)
    (held,) = engine.propagate([Embedded(write_record(circuit))], Request(50, 1, (observable,)))
    assert held.measurement.expectation == 1.0


def test_a_ghz_state_of_127_qubits_goes_to_the_stabilizer(engine):
    """Two outcomes of 1/2: false failure below 1e-6."""
    (held,) = engine.propagate([Embedded(write_record(ghz(127)))], Request(1000, 2))
    assert fits(held.measurement.counts, {"0" * 127: 0.5, "1" * 127: 0.5})


def test_single_precision_is_kept_in_single_precision(engine):
    (held,) = engine.propagate(
        [Embedded(write_record(ghz(3)))], Request(None, 0, precision="single")
    )
    assert held.state.dtype == np.complex64
    assert held.nbytes == 64


def _turned(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    circuit.rx(0.1, 0)
    circuit.measure_all()
    return circuit


def _entangled(width: int) -> QuantumCircuit:
    circuit = entangled(width)
    circuit.measure_all()
    return circuit


ZZZ, Z = Observable.from_json({"ZZZ": 1.0}, 3), Observable.from_json({"Z": 1.0}, 1)
REFUSED = {
    "exact and dynamic": (teleport(), Request(None, 0), "MAML319"),
    "nothing measured": (cone(), Request(10, 0), "MAML319"),
    "nothing measured, exact": (cone(), Request(None, 0), "MAML319"),
    "not Clifford": (cone(), Request(None, 0, (ZZZ,), "stabilizer"), "MAML319"),
    "measured and observed": (ghz(1), Request(10, 0, (Z,)), "MAML319"),
    "too large": (_entangled(12), Request(10, 0, room=1 << 15), "MAML413"),
    "too large a density matrix": (
        _turned(12),
        Request(10, 0, None, "density_matrix", room=1 << 20),
        "MAML413",
    ),
    "too many exact outcomes": (ghz(30), Request(None, 0, None, "stabilizer"), "MAML413"),
    "unknown method": (ghz(2), Request(10, 0, None, "guess"), "MAML319"),
}


@pytest.mark.parametrize(("circuit", "request_", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_answered_is_refused(engine, circuit, request_, code):
    with pytest.raises(KernelError) as caught:
        engine.propagate([Embedded(write_record(circuit))], request_)
    assert caught.value.code == code
    assert caught.value.hint


def test_the_bytes_needed_and_free_are_named(engine):
    circuits = [Embedded(write_record(ghz(6)))] * 3
    with pytest.raises(KernelError, match=r"3 x 6 qubits .* need 3072 bytes; 2048 bytes are free"):
        engine.propagate(circuits, Request(1, 0, None, "statevector", room=2048))


def test_tensor_networks_need_a_gpu(engine):
    with pytest.raises(HeadUnavailableError) as caught:
        engine.propagate([Embedded(write_record(ghz(2)))], Request(1, 0, None, "tensor_network"))
    assert caught.value.code == "MAML905"


# Traps of Aer (evidence/performance.md §4). Each first shows the trap on Aer itself.


def test_aer_maps_observables_onto_the_wrong_qubit_and_we_do_not(engine):
    exact = Statevector(cone()).expectation_value(SparsePauliOp("IIZ")).real
    assert exact == pytest.approx(1.0)
    circuit = cone()
    circuit.save_expectation_value(SparsePauliOp("Z"), [0])
    result = AerSimulator(method="statevector").run(circuit).result()
    assert result.data(0)["expectation_value"] == pytest.approx(math.cos(1.94))

    observable = Observable.from_json({"IIZ": 1.0}, 3)
    for method in ("statevector", *OTHER_METHODS):
        (held,) = engine.propagate(
            [Embedded(write_record(cone()))], Request(None, 0, (observable,), method)
        )
        found = (
            sampling.expectation(held.state, observable)
            if isinstance(held, Evolved)
            else held.measurement.expectation
        )
        assert found == pytest.approx(1.0, abs=1e-9)


def test_aer_leaves_controlled_rotations_unbound_and_we_do_not(engine):
    theta = Parameter("theta")
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cry(theta, 0, 1)
    raw = circuit.copy()
    raw.save_statevector()
    result = AerSimulator(method="statevector").run(raw, parameter_binds=[{theta: [1.0]}]).result()
    assert result.success
    turned = Statevector(circuit.assign_parameters({theta: 1.0})).data
    assert np.abs(np.asarray(result.data(0)["statevector"]) - turned).max() > 0.1

    rows = [circuit.assign_parameters({theta: x}) for x in (1.0, 2.0, 3.0)]
    observable = Observable.from_json({"ZI": 1.0}, 2)
    held = engine.propagate(
        [Embedded(write_record(row)) for row in rows], Request(None, 0, (observable,) * 3)
    )
    for one, row in zip(held, rows, strict=True):
        assert close_up_to_nothing(one.state, Statevector(row).data)


_BARE = """
import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import StatePreparation
from qiskit_aer import AerSimulator
circuit = QuantumCircuit(2)
circuit.append(StatePreparation(np.full(4, 0.5)).inverse(), [0, 1])
circuit.measure_all()
simulator = AerSimulator()
print(transpile(circuit, simulator).count_ops().get("multiplexer", 0), flush=True)
simulator.run(transpile(circuit, simulator), shots=10).result()
print("alive")
"""


def test_a_bare_multiplexer_kills_aer_and_never_reaches_it_here(engine):
    done = subprocess.run(
        [sys.executable, "-c", _BARE], capture_output=True, text=True, check=False
    )
    assert done.returncode == -11
    assert "alive" not in done.stdout

    circuit = QuantumCircuit(2)
    circuit.append(StatePreparation(np.full(4, 0.5)).inverse(), [0, 1])
    expected = Operator(circuit).data[:, 0]
    assert close_up_to_nothing(_state(engine, write_record(circuit)), expected)
    circuit.measure_all()
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.append(StatePreparation(np.full(4, 0.5)).inverse(), [0, 1])
    (held,) = engine.propagate([Embedded(write_record(circuit))], Request(10, 0))
    assert sum(held.measurement.counts.values()) == 10


def test_setting_a_start_state_keeps_the_phase_that_the_pass_manager_gave(engine):
    circuit = QuantumCircuit(1)
    circuit.append(StatePreparation([0.6, 0.8j]), [0])
    circuit.id(0)
    circuit.x(0)
    record = write_record(circuit)
    assert close_up_to_nothing(_state(engine, record), Statevector(circuit).data)


def test_matrix_product_states_start_from_the_state_that_is_asked_for(engine):
    """Aer's own `initialize` of two qubits leaves another state there, which raw Aer shows."""
    given = np.array([0.07 - 0.29j, -0.07 + 0.19j, 0.34 + 0.7j, 0.06 + 0.51j])
    given /= np.linalg.norm(given)
    circuit = QuantumCircuit(3)
    circuit.append(StatePreparation(given), [0, 1])
    operator = SparsePauliOp.from_list([("IXY", 1.0), ("IZX", 0.5)])
    expected = Statevector(circuit).expectation_value(operator).real

    raw = QuantumCircuit(3)
    raw.initialize(given, [0, 1])
    raw.save_expectation_value(operator, range(3), label="value")
    simulator = AerSimulator(method="matrix_product_state", enable_truncation=False)
    assert abs(simulator.run(raw).result().data(0)["value"] - expected) > 0.01

    observable = Observable.from_json({"IXY": 1.0, "IZX": 0.5}, 3)
    record = Embedded(write_record(circuit))
    (held,) = engine.propagate([record], Request(None, 0, (observable,), "matrix_product_state"))
    assert held.measurement.expectation == pytest.approx(expected, abs=1e-9)
