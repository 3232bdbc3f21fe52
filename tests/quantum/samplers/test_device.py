from __future__ import annotations

import numpy as np
import pytest
import torch

from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.budget import Budget
from chimera_pipelines.quantum.estimation import sampled
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.samplers import device
from chimera_pipelines.quantum.samplers.device import DeviceAmplitudes, DeviceCumulative
from chimera_pipelines.quantum.samplers.host import HostAmplitudes, HostCumulative
from tests.quantum.samplers.states import ghz_state, maximum, random_state, sparse_state

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_whole_weights_are_those_of_the_host(kind, monkeypatch):
    monkeypatch.setattr(device, "CHUNK", 32)
    state = random_state(9, seed=3, kind=kind)
    there, here = DeviceAmplitudes(torch.from_numpy(state)), HostAmplitudes(state)
    ours, theirs = here.block_sums(16), there.block_sums(16)
    assert np.array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]
    index = np.arange(512)[::-7].copy()
    assert np.array_equal(here.at(index), there.at(index))
    assert DeviceCumulative(torch.from_numpy(state)).total == HostCumulative(state).total


def test_runs_are_read_in_pieces(monkeypatch):
    monkeypatch.setattr(device, "CHUNK", 32)
    state = random_state(9, seed=4)
    rows = np.arange(0, 32, 3)
    sums, _ = HostAmplitudes(state).block_sums(16)
    edges = np.cumsum(sums)
    draws = np.repeat(edges[rows] - 1, 2)
    before = edges[rows] - sums[rows]
    expected = HostAmplitudes(state).find(rows, 16, before, draws)
    found = DeviceAmplitudes(torch.from_numpy(state)).find(rows, 16, before, draws)
    assert np.array_equal(found, expected)


@CUDA
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
@pytest.mark.parametrize("width", [1, 4, 8, 12, 13, 16, 20, 24])
@pytest.mark.parametrize("made", [random_state, sparse_state, ghz_state])
def test_equal_seeds_give_equal_counts_on_a_gpu(made, width, kind):
    state = made(width, kind=kind) if made is ghz_state else made(width, 5, kind)
    there = torch.from_numpy(state).cuda()
    for shots in (1, 1024, 65_536):
        for known in (None, maximum(state)):
            ours = sampling.sample(state, shots, sampling.generator(3, width), maximum=known)
            theirs = sampling.sample(there, shots, sampling.generator(3, width), maximum=known)
            assert ours == theirs


@CUDA
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
@pytest.mark.parametrize("shots", [5000, Budget(0.02, 200_000)])
def test_equal_seeds_give_equal_estimates_on_a_gpu(kind, shots):
    state = random_state(10, seed=1, kind=kind)
    observable = Observable.from_json(
        {"XXIIZIYIIZ": 1.0, "ZZZZZZZZZZ": 0.5, "YIIXIYIIYI": 2.0, "IIIIIIIIII": 0.3}, 10
    )
    theirs = sampled(torch.from_numpy(state).cuda(), observable, shots, 7, 1)
    assert theirs == sampled(state, observable, shots, 7, 1)


@CUDA
def test_exact_outcomes_are_those_of_the_host_on_a_gpu():
    state = random_state(12, seed=2)
    there = torch.from_numpy(state).cuda()
    measured = {0: 3, 1: 11, 2: 0}
    assert sampling.probabilities(there, measured) == sampling.probabilities(state, measured)
