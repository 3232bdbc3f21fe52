from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.budget import Budget
from chimera_pipelines.quantum.collapse import check, measure
from chimera_pipelines.quantum.engines.protocol import Collapsed, Evolved
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import fits, measured

BELL = np.array([0.6, 0, 0, 0.8j])


def held(state: np.ndarray = BELL) -> Evolved:
    return Evolved(write_record(measured(2)), {0: 0, 1: 1}, state)


def test_a_number_gives_counts_and_nothing_new():
    """One χ² test: false failure below 1e-6."""
    found = measure(held(), 0, 10_000, 3, None)
    assert fits(found.counts, {"00": 0.36, "11": 0.64})
    assert found.as_json() == {"registers": ["meas"], "counts": found.counts}


def test_exact_gives_probabilities_or_a_value_without_error():
    assert measure(held(), 0, None, 3, None).probabilities == pytest.approx(
        {"00": 0.36, "11": 0.64}
    )
    value = measure(held(), 0, None, 3, Observable.from_json({"ZI": 1.0}, 2))
    assert value.as_json() == {"registers": [], "expectation": pytest.approx(-0.28)}


def test_an_expectation_from_shots_has_its_standard_error():
    """±1 with a mean of −0.28: the sample variance is that of the sample mean, exactly."""
    found = measure(held(), 0, 10_000, 3, Observable.from_json({"ZI": 1.0}, 2))
    spread = math.sqrt((1 - found.expectation**2) * 10_000 / 9_999 / 10_000)
    assert found.error == pytest.approx(spread, rel=1e-9)
    assert found.shots == 10_000


def test_a_budget_of_counts_and_of_an_expectation():
    found = measure(held(), 0, Budget(0.01, 10**6), 3, None)
    assert (found.shots, sum(found.counts.values())) == (2500, 2500)
    value = measure(held(), 0, Budget(0.01, 10**6), 3, Observable.from_json({"ZI": 1.0}, 2))
    assert value.error <= 0.01
    assert 5000 < value.shots < 20_000


def test_a_damaged_register_gives_nothing():
    for shots in (10, None):
        for observable in (None, Observable.from_json({"XI": 1.0}, 2)):
            with pytest.raises(KernelError) as caught:
                measure(held(BELL * 1.1), 0, shots, 3, observable)
            assert caught.value.code == "CHIM778"


@pytest.mark.parametrize(
    "wrong",
    [
        Measurement(probabilities={"0": 0.5, "1": 0.4}),
        Measurement(probabilities={"0": 1.5, "1": -0.5}),
        Measurement(probabilities={"0": math.nan}),
        Measurement(probabilities={}),
        Measurement(expectation=math.nan),
        Measurement(expectation=math.inf),
    ],
)
def test_what_a_simulator_gave_is_checked(wrong):
    item = Collapsed(write_record(QuantumCircuit(1, 1)), wrong)
    with pytest.raises(KernelError) as caught:
        measure(item, 0, None, 0, None)
    assert caught.value.code == "CHIM778"


def test_what_a_simulator_may_give_passes():
    check(Measurement(probabilities={"0": 0.5, "1": 0.5 - 1e-7}))
    check(Measurement(expectation=-1.0))
    check(Measurement(counts={"0": 1}))
