from __future__ import annotations

import numpy as np
import pytest

from chimera_pipelines.quantum.samplers import host
from chimera_pipelines.quantum.samplers.host import HostAmplitudes, HostCumulative
from tests.quantum.samplers.states import random_state


def expected(state: np.ndarray) -> list[int]:
    """Whole weights by Python's own numbers, one amplitude at a time."""
    return [int((z.real * z.real + z.imag * z.imag) * 2**62) for z in map(complex, state)]


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_whole_weights_are_those_of_plain_python(kind, monkeypatch):
    monkeypatch.setattr(host, "CHUNK", 16)
    state = random_state(7, seed=3, kind=kind)
    weights = expected(state)
    sums, largest = HostAmplitudes(state).block_sums(8)
    assert sums.tolist() == [sum(weights[i : i + 8]) for i in range(0, 128, 8)]
    assert largest == max(weights)
    cumulative = HostCumulative(state)
    assert cumulative.total == sum(weights)
    edges = np.cumsum(weights)
    assert cumulative.find(edges - 1).tolist() == list(range(128))
    assert HostAmplitudes(state).at(np.array([5, 0, 5])).tolist() == [
        weights[5],
        weights[0],
        weights[5],
    ]


def test_draws_are_found_in_the_runs_that_are_hit(monkeypatch):
    monkeypatch.setattr(host, "CHUNK", 16)
    state = random_state(7, seed=4)
    edges = np.cumsum(expected(state))
    rows = np.array([0, 3, 4, 9, 15])
    draws = np.array([edges[8 * r] for r in rows])
    before = np.array([edges[8 * r - 1] if r else 0 for r in rows])
    found = HostAmplitudes(state).find(rows, 8, before, draws)
    assert found.tolist() == [8 * r + 1 for r in rows]


def test_a_strided_state_is_read_in_its_own_order():
    state = np.stack([random_state(5, seed=6), np.zeros(32)], axis=1)[:, 0]
    assert not state.flags.c_contiguous
    assert HostCumulative(state).total == sum(expected(state))
