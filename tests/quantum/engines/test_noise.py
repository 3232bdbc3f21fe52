from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.noise import Noise


def test_noise_and_its_json():
    noise = Noise.from_json({"depolarizing_1q": 0.001, "depolarizing_2q": 0, "readout": 1})
    assert noise == Noise(0.001, 0.0, 1.0)
    assert Noise.from_json(noise.as_json()) == noise
    assert Noise.from_json(None) is None
    assert (Noise(0.1, 0.2).after(1), Noise(0.1, 0.2).after(2)) == (0.1, 0.2)


@pytest.mark.parametrize(
    "value",
    [
        {"readout": 1.0001},
        {"readout": -1e-9},
        {"readout": float("nan")},
        {"readout": True},
        {"readout": 10**400},
        {"readout": "0.1"},
        {"bit_flip": 0.1},
        [0.1],
        0.1,
    ],
)
def test_what_is_no_noise(value):
    with pytest.raises(KernelError) as caught:
        Noise.from_json(value)
    assert caught.value.code == "MAML319"
    assert caught.value.hint
