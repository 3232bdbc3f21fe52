"""Intervals against scipy; what is said of a fidelity, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

import chimera_pipelines
from chimera_pipelines.qec.errors import ExperimentError
from chimera_pipelines.qec.noise import MODELS
from chimera_pipelines.qec.statistics import per_round, statement, suffices, wilson

CIRCUIT_LEVEL = ("uniform", "sd6", "si1000")
DECODERS = ("pymatching", "pymatching_correlated", "table", "window", "another")


@given(st.data(), st.integers(1, 10**7), st.sampled_from([0.5, 0.95, 0.999]))
def test_wilson_is_scipys(data: st.DataObject, shots: int, confidence: float) -> None:
    errors = data.draw(st.integers(0, shots))
    ours = wilson(errors, shots, confidence=confidence)
    theirs = binomtest(errors, shots).proportion_ci(confidence, method="wilson")
    assert ours.rate == errors / shots
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert 0 <= ours.low <= ours.rate <= ours.high <= 1


@pytest.mark.parametrize(("errors", "shots"), [(0, 0), (-1, 5), (6, 5), (0, -1)])
def test_no_proportion_is_refused(errors: int, shots: int) -> None:
    with pytest.raises(ExperimentError, match="no proportion"):
        wilson(errors, shots)
    with pytest.raises(ExperimentError, match="confidence 1"):
        wilson(1, 2, confidence=1)


@given(st.floats(0, 0.49), st.integers(1, 30))
def test_rounds_that_flip_independently_compose(rate: float, rounds: int) -> None:
    flipped = 0.0
    for _ in range(rounds):
        flipped = flipped * (1 - rate) + rate * (1 - flipped)
    if flipped < 0.4999:
        assert per_round(flipped, rounds) == pytest.approx(rate, abs=1e-6)


@given(
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(DECODERS),
    st.floats(0, 0.75),
    st.integers(3, 21),
    st.integers(0, 1000),
)
def test_a_fidelity_never_stands_alone(
    noise: str, decoder: str, physical: float, distance: int, errors: int
) -> None:
    said = statement(
        noise=noise,
        distance=distance,
        rounds=distance,
        physical=physical,
        decoder=decoder,
        interval=wilson(errors, 1000),
    )
    assert "fidelity" in said
    assert f"noise model {noise}" in said
    assert ("no distance suffices" in said) is not suffices(noise, physical, decoder)


@pytest.mark.parametrize("noise", sorted(MODELS))
@pytest.mark.parametrize("decoder", ["predecoder", "window", "table", "another"])
def test_decoders_without_a_threshold_of_their_own_get_the_lowest(noise: str, decoder: str) -> None:
    lowest = min(MODELS[noise].threshold.values())
    assert lowest == MODELS[noise].threshold["pymatching"]
    assert not suffices(noise, lowest, decoder)
    assert suffices(noise, lowest - 1e-9, decoder)


@pytest.mark.parametrize("noise", CIRCUIT_LEVEL)
@pytest.mark.parametrize("decoder", DECODERS)
def test_at_one_per_cent_circuit_noise_no_distance_suffices(noise: str, decoder: str) -> None:
    assert not suffices(noise, 0.01, decoder)
    assert suffices(noise, 0.001, decoder)
    assert suffices("phenomenological", 0.01, decoder)
    assert suffices("code_capacity", 0.01, decoder)


def test_the_library_says_a_logical_fidelity_in_one_place_only() -> None:
    root = Path(chimera_pipelines.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "logical fidelity" in path.read_text("utf-8").lower()
    }
    assert found == {"qec/statistics.py"}
    in_qec = {path.name for path in (root / "qec").glob("*.py") if "fidelity {" in path.read_text()}
    assert in_qec == {"statistics.py"}
