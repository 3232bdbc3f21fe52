from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.samplers.host import HostAmplitudes
from chimera_pipelines.quantum.samplers.rejection import rejection
from chimera_pipelines.quantum.sampling import counted, generator
from tests.quantum.circuits import fits
from tests.quantum.samplers.states import DEVICE, HOST, maximum, random_state


@pytest.mark.parametrize("width", range(1, 17))
def test_samples_follow_the_state(width):
    """16 χ² tests of 1e-7 a piece with fixed seeds: false failure below 2e-6 for a new generator,
    none for this one."""
    state = random_state(width, seed=width)
    found = HOST["rejection"](state, 100_000, generator(7, width))
    assert fits(counted(found), dict(enumerate(np.abs(state) ** 2)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 3000))
def test_arrays_and_tensors_give_the_same_outcomes(seed, width, shots):
    state = random_state(width, seed)
    ours = HOST["rejection"](state, shots, generator(seed))
    assert np.array_equal(ours, DEVICE["rejection"](state, shots, generator(seed)))
    assert len(ours) == shots


def test_a_bound_above_the_maximum_gives_the_same_distribution():
    """One χ² test: false failure below 1e-6."""
    state = random_state(6, seed=2)
    found = rejection(HostAmplitudes(state), 100_000, generator(1), 3 * maximum(state))
    assert fits(counted(found), dict(enumerate(np.abs(state) ** 2)))


@pytest.mark.parametrize(
    ("state", "bound"),
    [
        (random_state(8), 1e-4),
        (np.zeros(256, dtype=complex), 0.01),
        (np.full(256, np.nan, dtype=complex), 0.01),
        (np.full(256, 4.0 + 0j), 0.01),
    ],
    ids=["a bound below", "zero", "not a number", "far over 1"],
)
def test_what_is_no_distribution_under_the_bound_is_refused(state, bound):
    with pytest.raises(KernelError) as caught:
        rejection(HostAmplitudes(state), 1000, generator(1), bound)
    assert caught.value.code == "CHIM778"
