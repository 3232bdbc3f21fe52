from __future__ import annotations

from functools import partial

import pytest
import torch

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.learning.checkpoint import Checkpoint
from chimera_pipelines.learning.syndrome import Trainer, Training, _epoch_seed, train


def parities(count=1500, seed=0):
    generator = torch.Generator().manual_seed(seed)
    detectors = (torch.rand((count, 6), generator=generator) < 0.25).float()
    flips = torch.stack((detectors[:, :2].sum(1) % 2, detectors[:, 2:5].sum(1) % 2), 1)
    return detectors, flips


def test_it_learns_what_detectors_say_of_observables():
    trained = train(*parities(), Training(epochs=25, hidden=64, rate=5e-3), device="cpu")
    detectors, flips = parities(400, seed=1)
    assert (trained.flips(detectors) == flips.bool()).float().mean() > 0.98
    assert trained.losses[-1] < 0.2 * trained.losses[0]


def test_equal_seeds_give_equal_bits():
    runs = [train(*parities(200), Training(epochs=2, seed=s), device="cpu") for s in (1, 1, 2)]
    assert runs[0].losses == runs[1].losses != runs[2].losses


@pytest.mark.parametrize("stop", [1, 3])
def test_a_training_that_is_resumed_ends_with_the_same_weights(tmp_path, stop):
    keeping = partial(Checkpoint, tmp_path / "syndrome.safetensors")
    whole = train(*parities(300), Training(epochs=5), device="cpu")
    train(*parities(300), Training(epochs=stop), device="cpu", keeping=keeping)
    again = train(*parities(300), Training(epochs=5), device="cpu", keeping=keeping)
    assert again.losses == whole.losses
    pairs = zip(again.network.parameters(), whole.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_unequal_rows_and_half_precision_on_a_cpu_are_refused():
    detectors, flips = parities(10)
    with pytest.raises(KernelError, match="10 rows of detectors, 9 of observables"):
        Trainer(detectors, flips[:9], Training(), device="cpu")
    with pytest.raises(HeadUnavailableError, match="needs a CUDA device"):
        Trainer(detectors, flips, Training(precision="float16"), device="cpu")


def test_shuffles_differ_by_epoch_and_by_large_seeds():
    seeds = {_epoch_seed(seed, epoch) for seed in (0, 1, 2**45, 2**53 - 1) for epoch in range(9)}
    assert len(seeds) == 36
    assert all(0 <= seed < 2**63 for seed in seeds)
