"""States that the samplers' tests share, and every way to sample one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from chimera_pipelines.quantum.samplers import inverse
from chimera_pipelines.quantum.samplers.amplitudes import Amplitudes
from chimera_pipelines.quantum.samplers.device import DeviceAmplitudes, DeviceCumulative
from chimera_pipelines.quantum.samplers.host import HostAmplitudes, HostCumulative
from chimera_pipelines.quantum.samplers.rejection import rejection

Sampler = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def random_state(width: int, seed: int = 0, kind: str = "complex128") -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = rng.normal(size=2**width) + 1j * rng.normal(size=2**width)
    return (state / np.linalg.norm(state)).astype(kind)


def ghz_state(width: int, kind: str = "complex128") -> np.ndarray:
    state = np.zeros(2**width, dtype=kind)
    state[[0, -1]] = 0.5**0.5
    return state


def sparse_state(width: int, seed: int, kind: str = "complex128") -> np.ndarray:
    """One amplitude in ten is not zero."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=2**width) * (rng.random(2**width) < 0.1) + 0j
    state[rng.integers(2**width)] = 1.0
    return (state / np.linalg.norm(state)).astype(kind)


def maximum(state: np.ndarray) -> float:
    """Of |amplitude|², in the arithmetic of the samplers."""
    wide = state.astype(np.complex128)
    return float((wide.real**2 + wide.imag**2).max())


def _reject(amplitudes: Amplitudes, state: np.ndarray, shots: int, rng: np.random.Generator):
    return np.sort(rejection(amplitudes, shots, rng, maximum(state)))


def _tensor(state: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(state)


HOST: dict[str, Sampler] = {
    "two_level": lambda s, n, rng: inverse.two_level(HostAmplitudes(s), n, rng),
    "cdf": lambda s, n, rng: inverse.cumulated(HostCumulative(s), n, rng),
    "rejection": lambda s, n, rng: _reject(HostAmplitudes(s), s, n, rng),
}
DEVICE: dict[str, Sampler] = {
    "two_level": lambda s, n, rng: inverse.two_level(DeviceAmplitudes(_tensor(s)), n, rng),
    "cdf": lambda s, n, rng: inverse.cumulated(DeviceCumulative(_tensor(s)), n, rng),
    "rejection": lambda s, n, rng: _reject(DeviceAmplitudes(_tensor(s)), s, n, rng),
}
