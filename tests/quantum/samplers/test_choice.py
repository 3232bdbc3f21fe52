from __future__ import annotations

import pytest

from chimera_pipelines.quantum.samplers.choice import Method, choose

RANDOM = 14.0  # 2^n · max p of random states of 16 to 24 qubits


@pytest.mark.parametrize(
    ("width", "shots", "maximum", "method"),
    [
        (5, 1024, None, Method.CDF),
        (12, 10**6, None, Method.CDF),
        (16, 1024, None, Method.CDF),
        (20, 65_536, None, Method.CDF),
        (24, 1024, None, Method.TWO_LEVEL),
        (24, 65_536, None, Method.CDF),
        (28, 65_536, None, Method.TWO_LEVEL),
        (24, 1024, RANDOM / 2**24, Method.REJECTION),
        (28, 65_536, RANDOM / 2**28, Method.REJECTION),
        (20, 65_536, RANDOM / 2**20, Method.CDF),
        (24, 1024, 0.5, Method.TWO_LEVEL),
        (28, 1024, 100 / 2**28, Method.TWO_LEVEL),
        (28, 1024, 99 / 2**28, Method.REJECTION),
    ],
)
def test_the_sampler_follows_acceptance_and_size(width, shots, maximum, method):
    assert choose(2**width, shots, maximum) is method
