from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.quantum.sampling import counted, generator
from tests.quantum.circuits import fits
from tests.quantum.samplers.states import DEVICE, HOST, ghz_state, random_state, sparse_state

EXACT = ("two_level", "cdf")


@pytest.mark.parametrize("width", range(1, 17))
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_samples_follow_the_state(width, kind):
    """32 χ² tests at 1e-8: `fits` fails falsely once in 1e-7; false failure below 4e-6 ÷ 10."""
    state = random_state(width, seed=width, kind=kind)
    found = HOST["two_level"](state, 200_000, generator(5, width))
    chances = np.abs(state.astype(complex)) ** 2
    assert fits(counted(found), dict(enumerate(chances)))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.integers(1, 3000),
    st.sampled_from(["complex64", "complex128"]),
    st.sampled_from([random_state, sparse_state]),
)
def test_both_ways_and_both_kinds_of_memory_give_the_same_outcomes(seed, width, shots, kind, made):
    state = made(width, seed, kind)
    found = [
        way[name](state, shots, generator(seed, 1)) for way in (HOST, DEVICE) for name in EXACT
    ]
    assert all(np.array_equal(found[0], other) for other in found[1:])
    assert len(found[0]) == shots
    assert np.all(np.diff(found[0]) >= 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 400))
@pytest.mark.parametrize("name", [*HOST])
def test_no_amplitude_of_zero_is_ever_drawn(name, seed, width, shots):
    state = sparse_state(width, seed)
    for way in (HOST, DEVICE):
        found = way[name](state, shots, generator(seed))
        assert np.all(state[found] != 0)
        assert len(found) == shots


@pytest.mark.parametrize("name", EXACT)
def test_a_ghz_state_of_eighteen_qubits(name):
    """Two outcomes of 1/2: false failure below 1e-6."""
    found = counted(HOST[name](ghz_state(18), 100_000, generator(1)))
    assert set(found) == {0, 2**18 - 1}
    assert fits(found, {0: 0.5, 2**18 - 1: 0.5})


def test_the_first_and_the_last_amplitude_are_reached():
    """2^-16 each of 10⁶ draws: missing one has the probability e^-15, both tested, 6e-7 in all."""
    state = np.full(2**16, 2.0**-8, dtype=complex)
    found = HOST["two_level"](state, 1_000_000, generator(3))
    assert (found[0], found[-1]) == (0, 2**16 - 1)
