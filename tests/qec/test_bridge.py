"""Qiskit circuits in stim's form and back, against Qiskit's operators, stim and Aer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.classical import expr
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import Operator
from scipy.stats import chi2

from chimera_pipelines.qec.bridge import from_qiskit, from_record, to_qiskit
from chimera_pipelines.qec.bridge_operations import BridgeError
from chimera_pipelines.qec.noise import add_noise
from chimera_pipelines.quantum.write import write_record

FALSE_FAILURE = 1e-6


def memory(distance: int, rounds: int, basis: str = "z") -> stim.Circuit:
    return stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}", distance=distance, rounds=rounds
    )


@pytest.mark.parametrize(("distance", "rounds"), [(3, 3), (3, 10), (5, 5), (7, 7)])
def test_the_detectors_of_a_memory_come_back_from_qiskit(distance: int, rounds: int) -> None:
    circuit = memory(distance, rounds)
    qiskit = to_qiskit(circuit)
    found = from_qiskit(qiskit)
    said = from_qiskit(qiskit, detectors="declared")
    assert parities(found) == parities(said)
    assert found.num_detectors == circuit.num_detectors


def parities(circuit: stim.Circuit) -> set[frozenset[int]]:
    count = circuit.num_measurements
    return {
        frozenset(count + t.value for t in one.targets_copy())
        for one in circuit
        if one.name == "DETECTOR"
    }


@pytest.mark.parametrize("basis", ["x", "z"])
def test_the_round_trip_keeps_model_coordinates_and_circuit(basis: str) -> None:
    circuit = memory(3, 4, basis)
    once = from_qiskit(to_qiskit(circuit), detectors="declared")
    assert from_qiskit(to_qiskit(once), detectors="declared") == once
    assert to_qiskit(once) == to_qiskit(circuit)
    assert once.get_detector_coordinates() == circuit.get_detector_coordinates()


def test_noise_put_in_behind_the_bridge_is_the_same_noise() -> None:
    circuit = memory(3, 4)
    resets = stim.Circuit()  # the original with measure-and-reset in two, as Qiskit has it
    for step in circuit.flattened():
        for name in ("M", "R") if step.name == "MR" else (step.name,):
            resets.append(name, step.targets_copy(), step.gate_args_copy())
    once = from_qiskit(to_qiskit(circuit), detectors="declared")
    wanted = add_noise(resets, "uniform", 0.004).detector_error_model()
    assert add_noise(once, "uniform", 0.004).detector_error_model().approx_equals(wanted, atol=1e-9)


NAMES = ["id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "iswap"]
NAMES += ["dcx", "ecr"]
TURNS = ["rx", "ry", "rz", "p", "rxx", "ryy", "rzz", "rzx", "crz", "cp"]


@st.composite
def cliffords(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    for _ in range(draw(st.integers(0, 8))):
        name = draw(st.sampled_from(NAMES + TURNS))
        gate = getattr(circuit, name)
        places = draw(st.permutations(range(3)))
        two = name in NAMES[9:] or name in TURNS[4:]
        # A controlled rotation is a Clifford at half as many angles as a plain one.
        step = math.pi if name in ("crz", "cp") else math.pi / 2
        turns = draw(st.integers(-5, 5)) * step * (2 if name == "crz" else 1)
        gate(*([turns] if name in TURNS else []), *places[: 2 if two else 1])
    return circuit


@settings(max_examples=60, deadline=None)
@given(cliffords())
def test_a_clifford_circuit_is_the_same_unitary(circuit: QuantumCircuit) -> None:
    written = from_qiskit(circuit)
    want = Operator(circuit).data
    got = (stim.Circuit("I 2") + written).to_tableau().to_unitary_matrix(endian="little")
    assert abs(abs(np.vdot(got, want)) / 8 - 1) < 1e-5


def test_every_one_of_24_matrices_is_known_and_a_t_is_not() -> None:
    for tableau in stim.Tableau.iter_all(1):
        circuit = QuantumCircuit(1)
        circuit.append(UnitaryGate(tableau.to_unitary_matrix(endian="little")), [0])
        assert (stim.Circuit("I 0") + from_qiskit(circuit)).to_tableau() == tableau
    circuit = QuantumCircuit(1)
    circuit.append(UnitaryGate(np.diag([1, np.exp(0.25j * np.pi)])), [0])
    with pytest.raises(BridgeError, match="unitary"):
        from_qiskit(circuit)


@pytest.mark.parametrize("name", ["t", "tdg"])
def test_a_t_gate_is_refused_by_name(name: str) -> None:
    circuit = QuantumCircuit(2, 1)
    getattr(circuit, name)(1)
    with pytest.raises(BridgeError, match=rf"gate '{name}' on qubits \[1\]") as caught:
        from_qiskit(circuit)
    assert caught.value.code == "CHIM795"


def test_other_things_that_stim_cannot_hold_are_refused() -> None:
    with pytest.raises(BridgeError, match=r"rz\(0.785398\)"):
        from_qiskit(one(lambda c: c.rz(math.pi / 4, 0)))
    with pytest.raises(BridgeError, match=r"rz\(1.5708\)"):
        from_qiskit(one(lambda c: c.rz(math.pi / 2 + 1e-6, 0)))
    with pytest.raises(BridgeError, match="unbound parameter 'a'"):
        from_qiskit(one(lambda c: c.rz(Parameter("a"), 0)))
    with pytest.raises(BridgeError, match="ccx"):
        from_qiskit(one(lambda c: c.ccx(0, 1, 2)))
    with pytest.raises(BridgeError, match="no Clifford gate"):
        from_qiskit(one(lambda c: c.initialize([0.6, 0.8], 0)))


def one(step: object) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 2)
    step(circuit)  # type: ignore[operator]
    return circuit


def test_a_gate_that_only_has_the_name_of_a_clifford_is_taken_by_what_it_does() -> None:
    inner = QuantumCircuit(1, name="h")
    inner.t(0)
    circuit = QuantumCircuit(1)
    circuit.append(inner.to_gate(), [0])
    with pytest.raises(BridgeError):
        from_qiskit(circuit)


def test_composite_instructions_are_taken_apart() -> None:
    inner = QuantumCircuit(2, 1, name="parity")
    inner.cx(0, 1)
    inner.measure(1, 0)
    circuit = QuantumCircuit(3, 2)
    circuit.append(inner.to_instruction(), [2, 0], [1])
    assert from_qiskit(circuit, detectors=None) == stim.Circuit("CX 2 0\nM 0")


def test_conditions() -> None:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(2, "pair"))
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 0)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.y(1)
    with circuit.if_test((circuit.clbits[1], 1)):  # nothing was written to it: never
        circuit.x(1)
    with circuit.if_test((circuit.clbits[1], 0)):  # always
        circuit.z(1)
    circuit.measure(1, 1)
    # x where 0, y where 1: a flip in both, so the second measurement is certain.
    wanted = "H 0\nM 0\nX 1\nCX rec[-1] 1\nCY rec[-1] 1\nZ 1\nM 1\nDETECTOR(0) rec[-1]"
    assert from_qiskit(circuit) == stim.Circuit(wanted)


def test_a_condition_on_a_register_or_an_expression_is_refused() -> None:
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, "whole"))
    circuit.measure(0, 0)
    with circuit.if_test((circuit.cregs[0], 1)):
        circuit.x(0)
    with pytest.raises(BridgeError, match="register 'whole'"):
        from_qiskit(circuit)
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    with circuit.if_test(expr.logic_not(circuit.clbits[0])):
        circuit.x(0)
    with pytest.raises(BridgeError, match="expression"):
        from_qiskit(circuit)


def test_feedback_that_is_no_pauli_is_refused_by_name() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.h(1)
    with pytest.raises(BridgeError, match="'h' under a condition"):
        from_qiskit(circuit)


def test_loops_are_refused_by_name() -> None:
    circuit = QuantumCircuit(1)
    with circuit.for_loop(range(3)):
        circuit.x(0)
    with pytest.raises(BridgeError, match="for_loop"):
        from_qiskit(circuit)


def test_parities_that_are_not_there() -> None:
    circuit = QuantumCircuit(2, 3)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with pytest.raises(BridgeError, match="no measurement writes"):
        from_qiskit(circuit, observables=[[2]])
    with pytest.raises(BridgeError, match=r"observable 0 .* bit 'c'"):
        from_qiskit(circuit, observables=[["c"]])
    with pytest.raises(BridgeError, match="leaves L0 to chance"):
        from_qiskit(circuit, observables=[[0]])
    fine = from_qiskit(circuit, observables=[[circuit.clbits[1]]], detectors=[])
    assert fine.num_observables == 1
    assert fine.num_detectors == 0


def test_a_bit_written_twice_counts_as_it_stands_at_the_end() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 0)
    text = str(from_qiskit(circuit, observables=[[0]], detectors=None))
    assert text.endswith("OBSERVABLE_INCLUDE(0) rec[-1]")


def test_a_circuit_record_gives_the_same() -> None:
    circuit = to_qiskit(memory(3, 2))
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    circuit.rz(math.pi / 2, 1)
    observables = circuit.metadata["observables"]
    record = write_record(circuit)
    assert from_record(record, observables=observables) == from_qiskit(circuit)
    circuit.t(0)
    with pytest.raises(BridgeError, match="'t'"):
        from_record(write_record(circuit), observables=observables)


def test_what_qiskit_has_no_gate_for_is_refused() -> None:
    for text in ("X_ERROR(0.1) 0", "M(0.1) 0", "M !0", "MPP X0*X1", "MR(0.1) 0"):
        with pytest.raises(BridgeError, match="no form in Qiskit"):
            to_qiskit(stim.Circuit(text))


def test_other_bases_and_feedback_go_to_qiskit_and_back() -> None:
    circuit = stim.Circuit("RX 0\nRY 1\nMX 0\nMY 1\nMRX 0\nSQRT_Y 1\nCX rec[-1] 1\nM 0 1")
    back = from_qiskit(to_qiskit(circuit))
    assert parities(back) == parities(from_qiskit(to_qiskit(circuit.flattened())))
    assert back.num_measurements == circuit.num_measurements
    assert not back.compile_detector_sampler(seed=1).sample(64).any()


def test_aers_stabilizer_agrees_under_pauli_noise() -> None:
    """Weights of the detectors' flips by chi-square; false failure < 1e-6."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, pauli_error

    chance, shots = 0.02, 1500
    qiskit = to_qiskit(memory(3, 2))
    noise = NoiseModel()
    flip = pauli_error([("X", chance), ("I", 1 - chance)])
    noise.add_all_qubit_quantum_error(flip, ["h", "reset"])
    ran = AerSimulator(method="stabilizer", noise_model=noise, seed_simulator=11)
    memory_of = ran.run(qiskit, shots=shots, memory=True).result().get_memory()
    bits = np.array([[int(bit) for bit in shot[::-1]] for shot in memory_of], np.uint8)
    noisy = stim.Circuit()
    for one_step in from_qiskit(qiskit):
        noisy.append(one_step)
        if one_step.name in ("H", "R"):
            noisy.append("X_ERROR", one_step.targets_copy(), chance)
    convert = noisy.compile_m2d_converter()
    theirs = convert.convert(measurements=bits.astype(np.bool_), append_observables=True)
    ours = noisy.compile_detector_sampler(seed=7).sample(20 * shots, append_observables=True)
    worst = FALSE_FAILURE / (ours.shape[1] + 1)
    for column in range(ours.shape[1]):
        assert p_value(theirs[:, column], ours[:, column], 2) > worst
    assert p_value(np.minimum(theirs.sum(axis=1), 6), np.minimum(ours.sum(axis=1), 6), 7) > worst


def p_value(one: np.ndarray, other: np.ndarray, kinds: int) -> float:
    """Two-sample chi-square."""
    a = np.bincount(one.astype(int), minlength=kinds)
    b = np.bincount(other.astype(int), minlength=kinds)
    seen = a + b > 0
    a, b = a[seen], b[seen]
    if len(a) == 1:
        return 1.0
    ratio = math.sqrt(b.sum() / a.sum())
    statistic = float(((ratio * a - b / ratio) ** 2 / (a + b)).sum())
    return float(chi2.sf(statistic, len(a) - 1))
