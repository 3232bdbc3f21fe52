from __future__ import annotations

import numpy as np
import pytest
import torch

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.samplers.amplitudes import amplitudes_of, check_norm, on_host
from chimera_pipelines.quantum.samplers.host import HostAmplitudes
from chimera_pipelines.quantum.sampling import generator
from tests.quantum.samplers.states import DEVICE, HOST, random_state

DAMAGED = {
    "half": lambda s: s / 2,
    "twice": lambda s: s * 2,
    "wraps to 1 in 64 bits": lambda s: s * 17**0.5,
    "zero": lambda s: s * 0,
    "huge": lambda s: s * 1e200,
    "one NaN": lambda s: np.where(np.arange(s.size) == 3, np.nan, s),
    "one infinity": lambda s: np.where(np.arange(s.size) == 3, np.inf, s),
    "a flipped exponent bit": lambda s: np.where(np.arange(s.size) == 3, s * 2**64, s),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
@pytest.mark.parametrize("way", [HOST, DEVICE], ids=["host", "device"])
@pytest.mark.parametrize("name", ["two_level", "cdf"])
@pytest.mark.parametrize("width", [3, 13])
def test_a_state_that_is_not_normalised_is_refused(damage, way, name, width):
    state = damage(random_state(width, seed=2)).astype(complex)
    with pytest.raises(KernelError) as caught:
        way[name](state, 10, generator(1))
    assert caught.value.code == "CHIM778"
    assert caught.value.hint


def test_what_deep_circuits_lose_is_allowed():
    state = random_state(10, seed=1, kind="complex64") * np.float32(1 + 2e-4)
    assert len(HOST["cdf"](state, 10, generator(1))) == 10
    check_norm(1.0 + 1e-7, 1e-6)


def test_a_tensor_on_the_host_shares_its_memory():
    state = torch.from_numpy(random_state(4))
    assert isinstance(amplitudes_of(state), HostAmplitudes)
    assert np.shares_memory(on_host(state), state.numpy())


def test_a_conjugated_or_tracked_tensor_is_sampled_as_it_reads():
    state = torch.from_numpy(random_state(4)).requires_grad_().conj()
    assert np.allclose(on_host(state), random_state(4).conj())
