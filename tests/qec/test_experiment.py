"""Counted experiments: against a count of their own, repeatable, bounded, refused when wrong."""

from __future__ import annotations

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.experiment import Row, batch_shots, count_errors, memory_experiment

FALSE_FAILURE = 1e-6
PUBLISHED = {
    "noise",
    "distance",
    "rounds",
    "physical",
    "logical",
    "low",
    "high",
    "shots",
    "decoder",
}


def counted_otherwise(distance: int, physical: float, shots: int) -> int:
    """stim's generator, stim's decomposition, both bases, PyMatching shot arrays."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=distance,
        after_clifford_depolarization=physical,
        before_round_data_depolarization=physical,
        before_measure_flip_probability=physical,
        after_reset_flip_probability=physical,
    )
    matching = pymatching.Matching(circuit.detector_error_model(decompose_errors=True))
    events, flips = circuit.compile_detector_sampler(seed=77).sample(
        shots, separate_observables=True
    )
    return int((matching.decode_batch(events) != flips).any(axis=1).sum())


@pytest.mark.parametrize(("distance", "physical"), [(3, 0.01), (5, 0.005)])
def test_rates_are_those_of_an_independent_count(distance: int, physical: float) -> None:
    shots = 100_000
    (row,) = memory_experiment(physical=physical, distances=distance, shots=shots)
    other = counted_otherwise(distance, physical, shots)
    table = [[row.errors, shots - row.errors], [other, shots - other]]
    assert chi2_contingency(table).pvalue > FALSE_FAILURE  # the projection's 1 to 3 % do not show


@given(st.integers(0, 10**9))
def test_batches_are_measured_in_bytes(detectors: int) -> None:
    size, width = batch_shots(detectors), -(-detectors // 8)
    assert size == 1 or (1 < size <= 1 << 15 and size * width <= 1 << 25)
    assert size == 1 << 15 or (size + 1) * width > 1 << 25


# Rates measured elsewhere (84 M and 1 M shots, evidence of 2026-11-22), with room for their error.
KNOWN = [
    ("uniform", "z", 3, 0.005, "pymatching", 0.016956, 0.02),
    ("uniform", "x", 3, 0.005, "pymatching", 0.016956, 0.05),
    ("uniform", "z", 5, 0.005, "pymatching", 0.013778, 0.02),
    ("uniform", "z", 5, 0.005, "pymatching_correlated", 0.0107, 0.06),
    ("phenomenological", "z", 5, 0.01, "pymatching", 0.00438, 0.05),
    ("code_capacity", "z", 3, 0.01, "pymatching", 0.00176, 0.05),
    ("sd6", "z", 3, 0.01, "pymatching", 0.1162, 0.05),
    ("si1000", "z", 3, 0.005, "pymatching", 0.0576, 0.08),
]


@pytest.mark.parametrize(("noise", "basis", "distance", "physical", "name", "known", "room"), KNOWN)
def test_rates_are_the_known_ones(
    noise: str, basis: str, distance: int, physical: float, name: str, known: float, room: float
) -> None:
    (row,) = memory_experiment(
        physical=physical,
        distances=distance,
        noise=noise,
        basis=basis,
        decoder=name,
        shots=65_536,
        seed=1,
    )
    for bound, side in ((known * (1 - room), "less"), (known * (1 + room), "greater")):
        assert binomtest(row.errors, row.shots, bound, alternative=side).pvalue > FALSE_FAILURE


def test_a_row_says_all_that_a_document_publishes() -> None:
    (row,) = memory_experiment(physical=0.005, distances=3, shots=1000)
    told = row.as_json()
    assert told.keys() >= PUBLISHED
    assert told["low"] <= told["logical"] <= told["high"]
    assert told["logical"] == told["errors"] / told["shots"]
    assert (told["physical"], told["rounds"], told["shots"]) == (0.005, 3, 1000)
    assert "noise model uniform" in row.statement()


def test_at_one_per_cent_a_row_says_that_no_distance_suffices() -> None:
    for row in memory_experiment(physical=0.01, distances=(3, 5), shots=200):
        assert "no distance suffices" in row.statement()


def test_rows_repeat_and_do_not_depend_on_their_neighbours() -> None:
    alone = memory_experiment(physical=0.005, distances=5, shots=40_000, seed=4)
    among = memory_experiment(physical=[0.01, 0.005], distances=[3, 5], shots=40_000, seed=4)
    assert alone[0] in among
    assert among == memory_experiment(
        physical=[0.01, 0.005], distances=[3, 5], shots=40_000, seed=4
    )
    (other,) = memory_experiment(physical=0.005, distances=5, shots=40_000, seed=5)
    assert other.errors != alone[0].errors


def test_a_row_ends_when_it_has_seen_enough_errors() -> None:
    (row,) = memory_experiment(physical=0.02, distances=3, shots=10**9, max_errors=100)
    assert row.errors >= 100
    assert row.shots == 32_768


def test_rounds_default_to_the_distance_and_to_one_where_syndromes_are_perfect() -> None:
    found = memory_experiment(physical=0.01, distances=[3, 5], shots=10)
    assert [row.rounds for row in found] == [3, 5]
    (row,) = memory_experiment(physical=0.01, distances=5, noise="code_capacity", shots=10)
    assert row.rounds == 1
    (row,) = memory_experiment(physical=0.01, distances=3, rounds=7, shots=10)
    assert row.rounds == 7


def test_all_shots_are_counted_over_batches() -> None:
    circuit = memory_circuit(3, 1, noise="uniform", physical=0.01)
    errors, shots = count_errors(circuit, "pymatching", shots=70_001, seed=3)
    assert shots == 70_001
    assert 0 < errors < shots
    assert isinstance(errors, int)
    assert not isinstance(errors, np.integer)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"physical": 1.5}, "CHIM790"),
        ({"physical": float("nan")}, "CHIM790"),
        ({"physical": -0.1}, "CHIM790"),
        ({"physical": "0.1"}, "CHIM790"),
        ({"physical": []}, "CHIM791"),
        ({"noise": "none"}, "CHIM790"),
        ({"distances": []}, "CHIM791"),
        ({"distances": [1]}, "CHIM791"),
        ({"rounds": 0}, "CHIM791"),
        ({"basis": "y"}, "CHIM791"),
        ({"shots": 0}, "CHIM791"),
        ({"shots": 1e5}, "CHIM791"),
        ({"max_errors": 0}, "CHIM791"),
        ({"decoder": "guess"}, "CHIM793"),
        ({"decoder": "table", "distances": 5}, "CHIM793"),
        ({"options": {"beam": 2}}, "CHIM793"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, object], code: str) -> None:
    with pytest.raises(ChimeraError) as caught:
        memory_experiment(**{"physical": 0.001, "distances": 3, "shots": 10, **wrong})  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.hint


def test_a_row_is_a_record() -> None:
    row = Row("uniform", 3, 3, "z", 0.01, 0.1, 0.09, 0.11, 100, 1000, "pymatching")
    assert Row(**row.as_json()) == row
