"""Mid-circuit measurement, reset and feed-forward, against distributions worked out by hand.

Each χ² test fails falsely once in 1e-7; with the seeds fixed, a false failure needs new generators.
"""

from __future__ import annotations

import math

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.planned import PlannedEngine
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import fits

ANY = ["automatic", "statevector", "density_matrix", "matrix_product_state"]
CLIFFORD = [*ANY, "stabilizer"]
SHOTS = 20_000


@pytest.fixture(scope="module")
def engine() -> AerEngine:
    return AerEngine()


def counts(engine, circuit: QuantumCircuit, method: str, shots: int = SHOTS) -> dict[str, int]:
    request = Request(shots, 11, None, method)
    (held,) = engine.propagate([Embedded(write_record(circuit))], request)
    return held.measurement.counts


@pytest.mark.parametrize("method", ANY)
@pytest.mark.parametrize(("theta", "phi"), [(0.7, 0.4), (2.1, -1.3)])
def test_teleportation_of_any_state(engine, method, theta, phi):
    """What arrives is turned back: bit `out` is 0 always, the two sent bits are uniform."""
    q = QuantumRegister(3)
    sent, out = ClassicalRegister(2, "sent"), ClassicalRegister(1, "out")
    circuit = QuantumCircuit(q, sent, out)
    circuit.ry(theta, 0)
    circuit.rz(phi, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], sent)
    with circuit.if_test((sent[1], 1)):
        circuit.x(2)
    with circuit.if_test((sent[0], 1)):
        circuit.z(2)
    circuit.rz(-phi, 2)
    circuit.ry(-theta, 2)
    circuit.measure(2, out)
    assert fits(counts(engine, circuit, method), {f"0 {a}{b}": 0.25 for a in "01" for b in "01"})


@pytest.mark.parametrize("method", ANY)
def test_an_unsent_correction_would_be_seen(engine, method):
    """Teleportation without the X correction: `out` is 1 with sin²(θ) on half of the shots."""
    theta = 0.9
    circuit = QuantumCircuit(3, 3)
    circuit.ry(theta, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.z(2)
    circuit.ry(-theta, 2)
    circuit.measure(2, 2)
    found = counts(engine, circuit, method)
    wrong = {
        "without": sum(n for key, n in found.items() if key[:2] == "10"),
        "flipped": sum(n for key, n in found.items() if key[:2] == "11"),
        "rest": sum(n for key, n in found.items() if key[0] == "0"),
    }
    # X turns cos|0⟩ + sin|1⟩ to sin|0⟩ + cos|1⟩; turned back, its |1⟩ part is cos θ for half angles
    flipped = 0.5 * math.cos(theta) ** 2
    assert fits(wrong, {"flipped": flipped, "rest": 1 - flipped})
    assert wrong["without"] == 0


@pytest.mark.parametrize("method", ANY)
def test_repeat_until_success(engine, method):
    """Three tries, each with probability 0.3: success is 1 − 0.7³, and ends the tries."""
    chance, tries = 0.3, 3
    angle = 2 * math.asin(math.sqrt(chance))
    circuit = QuantumCircuit(1, tries)
    circuit.ry(angle, 0)
    circuit.measure(0, 0)
    for at in range(1, tries):
        with circuit.if_test((circuit.clbits[at - 1], 0)):
            circuit.reset(0)
            circuit.ry(angle, 0)
        circuit.measure(0, at)
    expected = {"111": chance, "110": 0.7 * chance, "100": 0.49 * chance, "000": 0.343}
    assert fits(counts(engine, circuit, method), expected)


@pytest.mark.parametrize("method", CLIFFORD)
def test_reset_of_an_entangled_qubit_leaves_its_partner_mixed(engine, method):
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.measure([0, 1], [0, 1])
    assert fits(counts(engine, circuit, method), {"00": 0.5, "10": 0.5})


@pytest.mark.parametrize("method", CLIFFORD)
def test_a_measured_qubit_stays_as_it_was_read(engine, method):
    circuit = QuantumCircuit(1, 3)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.measure(0, 1)
    circuit.h(0)
    circuit.measure(0, 2)
    expected = {f"{last}{bit}{bit}": 0.25 for last in "01" for bit in "01"}
    assert fits(counts(engine, circuit, method), expected)


@pytest.mark.parametrize("method", CLIFFORD)
def test_the_value_of_a_register_and_an_else_branch_decide(engine, method):
    pair, out = ClassicalRegister(2, "pair"), ClassicalRegister(1, "out")
    circuit = QuantumCircuit(QuantumRegister(3), pair, out)
    circuit.h([0, 1])
    circuit.measure([0, 1], pair)
    with circuit.if_test((pair, 2)) as otherwise:
        circuit.x(2)
    with otherwise:
        circuit.x(2)
        circuit.x(2)
    circuit.measure(2, out)
    expected = {"0 00": 0.25, "0 01": 0.25, "1 10": 0.25, "0 11": 0.25}
    assert fits(counts(engine, circuit, method), expected)


@pytest.mark.parametrize("method", CLIFFORD)
def test_a_bit_is_written_anew(engine, method):
    """The second measurement of bit 0 stands, and a branch in between saw the first."""
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.reset(0)
    circuit.measure(0, 0)
    circuit.measure(1, 1)
    assert counts(engine, circuit, method, 100) == {"10": 100}


@pytest.mark.parametrize("method", ["automatic", "stabilizer"])
def test_feed_forward_over_a_hundred_qubits(engine, method):
    """A bit read from one end decides at the other; automatic finds the stabilizer."""
    circuit = QuantumCircuit(100, 2)
    circuit.h(0)
    for qubit in range(98):
        circuit.cx(qubit, qubit + 1)
    circuit.measure(98, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(99)
    circuit.measure(99, 1)
    assert fits(counts(engine, circuit, method, 2000), {"00": 0.5, "11": 0.5})


def _dynamic(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width, 1)
    circuit.ry(0.3, 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(width - 1)
    return circuit


@pytest.mark.parametrize("method", CLIFFORD)
def test_exact_results_of_a_dynamic_circuit_are_refused(engine, method):
    with pytest.raises(KernelError) as caught:
        engine.propagate([Embedded(write_record(_dynamic(2)))], Request(None, 1, None, method))
    assert caught.value.code == "MAML319"
    assert "shots" in str(caught.value.hint)


def test_a_planner_gives_dynamic_circuits_to_none_that_cannot_run_them():
    """Single precision and 16 qubits would be qsim's; it holds no measured bit, so Aer has it."""
    (held,) = PlannedEngine().propagate(
        [Embedded(write_record(_dynamic(16)))], Request(100, 1, precision="single")
    )
    assert held.choice.engine == "aer"
    assert sum(held.measurement.counts.values()) == 100


def test_qsim_itself_refuses_a_dynamic_circuit():
    pytest.importorskip("qsimcirq")
    from chimera_pipelines.quantum.engines.qsim import QsimEngine

    form = analyse(write_record(_dynamic(4)))
    with pytest.raises(KernelError) as caught:
        QsimEngine().compile(form, method="statevector", precision="single")
    assert caught.value.code == "MAML319"


def test_contraction_refuses_resets_before_an_observable():
    circuit = QuantumCircuit(3)
    circuit.ry(0.3, 0)
    circuit.reset(0)
    circuit.ry(0.3, 0)
    observable = Observable.from_json({"IIZ": 1.0}, 3)
    with pytest.raises(KernelError) as caught:
        PlannedEngine().propagate(
            [Embedded(write_record(circuit))], Request(50, 1, (observable,), "tensor_network")
        )
    assert caught.value.code == "MAML319"
