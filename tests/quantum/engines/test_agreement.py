"""Laws: every engine gives one and the same answer on random circuits.

References are Qiskit's operators, not another engine of ours.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector

from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.lightcone import LightConeEngine
from chimera_pipelines.quantum.engines.protocol import Choice, Evolved, Job, Request
from chimera_pipelines.quantum.engines.qsim import QsimEngine
from chimera_pipelines.quantum.engines.translation import fits_qsim
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.gates import MEASURE
from chimera_pipelines.quantum.measurement import named
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.operations import PREPARATIONS, Operation, Register
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord
from tests.quantum.circuits import QUBITS, close_up_to_nothing, fits, unitary_records

STRINGS = {"ZIXYI": 0.3, "XXIIZ": 1.0, "YYZII": 2.0, "IIIII": 0.5, "ZZZZZ": 1.5, "IIZII": 1.0}
OBSERVABLE = Observable.from_json(STRINGS, QUBITS)
ONE = Observable.from_json({"IIIII": 1.0}, QUBITS)
LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def aer() -> AerEngine:
    return AerEngine()


def _exact(record: CircuitRecord) -> float:
    operator = SparsePauliOp.from_list(list(STRINGS.items()))
    return float(Statevector(to_qiskit(record)).expectation_value(operator).real)


def _unprepared(record: CircuitRecord) -> CircuitRecord:
    """Without state preparations: no engine but Aer takes one in the middle of a circuit."""
    kept = tuple(step for step in record.operations if step.name not in PREPARATIONS)
    return CircuitRecord(
        record.num_qubits, record.qregs, 0, (), kept, global_phase=record.global_phase
    )


def _measured(record: CircuitRecord) -> CircuitRecord:
    bits = tuple(range(QUBITS))
    measured = tuple(Operation(MEASURE, (q,), (q,)) for q in bits)
    register = (Register("meas", bits),)
    return CircuitRecord(QUBITS, record.qregs, QUBITS, register, (*record.operations, *measured))


@LAWS
@given(record=unitary_records(steps=10))
def test_qsim_states_agree_to_1e6(record):
    record = _unprepared(record)
    request = Request(None, 0, (ONE,), precision="single")
    (held,) = QsimEngine().propagate([Embedded(record)], request)
    assert isinstance(held, Evolved)
    assert held.state.dtype == np.complex64
    assert close_up_to_nothing(held.state, Statevector(to_qiskit(record)).data, 1e-6)


def test_qsim_starts_from_amplitudes():
    record = CircuitRecord(3, (Register("q", (0, 1, 2)),), 0, (), (Operation("cx", (0, 2)),))
    observable = Observable.from_json({"III": 1.0}, 3)
    made = Embedded(record, (Factor((1, 0), (0.5, 0.5j, -0.5, 0.5)),))
    request = Request(None, 0, (observable,), precision="single")
    (mine,) = QsimEngine().propagate([made], request)
    (its,) = AerEngine().propagate([made], request)
    assert close_up_to_nothing(mine.state, its.state, 1e-6)


@LAWS
@given(record=unitary_records(steps=8))
def test_aer_states_agree_in_both_precisions(aer, record):
    expected = Statevector(to_qiskit(record)).data
    for precision, tolerance in (("single", 1e-6), ("double", 1e-12)):
        request = Request(None, 0, (ONE,), precision=precision)
        (held,) = aer.propagate([Embedded(record)], request)
        assert close_up_to_nothing(held.state, expected, tolerance)


@LAWS
@given(record=unitary_records(steps=8))
@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("statevector", 1e-12), ("density_matrix", 1e-11), ("matrix_product_state", 1e-8)],
)
def test_expectations_agree(aer, method, tolerance, record):
    """Aer cuts matrix product states at a squared weight of 1e-16, hence 1e-8."""
    (held,) = aer.propagate([Embedded(record)], Request(None, 0, (OBSERVABLE,), method))
    if isinstance(held, Evolved):
        found = sampling.expectation(held.state, OBSERVABLE)
    else:
        found = held.measurement.expectation
    assert found == pytest.approx(_exact(record), abs=tolerance)


@pytest.mark.xdist_group("quimb")  # whose first contraction compiles for half a minute
@settings(LAWS, max_examples=4)  # finding the path of a contraction takes most of a second
@given(record=unitary_records(steps=8))
@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-11), ("single", 1e-5)])
@pytest.mark.parametrize("method", ["light_cones", "tensor_network"])
def test_light_cones_agree(aer, method, precision, tolerance, record):
    record = _unprepared(record)
    job = Job(0, analyse(record), Choice("lightcone", method, "", 0))
    request = Request(None, 0, (OBSERVABLE,), precision=precision)
    (held,) = LightConeEngine(aer).perform([job], request)
    assert held.measurement.expectation == pytest.approx(_exact(record), abs=tolerance)


@settings(max_examples=2, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(record=unitary_records(steps=8), seed=st.integers(0, 2**32 - 1))
def test_counts_of_every_engine_follow_the_exact_chances(aer, record, seed):
    """Derandomised: 2 circuits of 4 engines, each wrong with 1e-7: false failure below 1e-6."""
    record = _unprepared(record)
    chances = Statevector(to_qiskit(record)).probabilities_dict()
    made = [Embedded(_measured(record))]
    for method in ("statevector", "density_matrix", "matrix_product_state"):
        (held,) = aer.propagate(made, Request(2000, seed, None, method))
        assert fits(_counts(held, seed), chances)
    (held,) = QsimEngine().propagate(made, Request(2000, seed, precision="single"))
    assert fits(_counts(held, seed), chances)


def _counts(held, seed: int) -> dict[str, int]:
    if not isinstance(held, Evolved):
        return held.measurement.counts
    outcomes = sampling.sample(held.state, 2000, sampling.generator(seed, 0))
    return named(held.record, sampling.read_bits(outcomes, held.measured))


def test_what_qsim_cannot_take():
    wide = Operation("mcx", tuple(range(7)))
    record = CircuitRecord(7, (Register("q", tuple(range(7))),), 0, (), (wide,))
    assert not fits_qsim(analyse(record))


def test_qsim_leaves_denormal_numbers_alone():
    record = CircuitRecord(3, (Register("q", (0, 1, 2)),), 0, (), (Operation("h", (0,)),))
    observable = Observable.from_json({"III": 1.0}, 3)
    request = Request(None, 0, (observable,), precision="single")
    QsimEngine().propagate([Embedded(record)], request)
    assert np.float64(5e-324) * 1.0 > 0.0
