"""Amplitudes in a torch tensor on a GPU; only sums of blocks and indices leave the device.

A tensor on the host is sampled as the array that it shares its memory with (`amplitudes`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from chimera_pipelines.quantum.samplers.amplitudes import UNIT, Whole, check_norm, tolerance
from chimera_pipelines.quantum.samplers.host import check_so_far

CHUNK = 1 << 22  # about 250 MB of buffers


class DeviceAmplitudes:
    """A contiguous complex64 or complex128 tensor of shape (2^n,)."""

    def __init__(self, state: Tensor) -> None:
        self._state = state.detach()
        self._allowed = tolerance(state)

    @property
    def size(self) -> int:
        """See `Amplitudes.size`."""
        return self._state.numel()

    def block_sums(self, width: int) -> tuple[Whole, int]:
        """See `Amplitudes.block_sums`."""
        sums, norms, largest = [], [], []
        for part in _chunks(self._state):
            weights = weights_of(part)
            norms.append(weights.sum())
            largest.append(weights.max())
            sums.append(whole(weights).reshape(-1, width).sum(dim=1))
        check_norm(float(torch.stack(norms).sum()), self._allowed)
        return _to_host(torch.cat(sums)), int(float(torch.stack(largest).max()) * UNIT)

    def find(self, rows: Whole, width: int, before: Whole, draws: Whole) -> Whole:
        """See `Amplitudes.find`."""
        runs = self._state.reshape(-1, width)
        chosen, start_of, wanted = (self._here(part) for part in (rows, before, draws))
        edges = [*np.searchsorted(draws, before).tolist(), len(draws)]
        step = max(1, CHUNK // width)
        found = []
        for first in range(0, len(rows), step):
            last = min(first + step, len(rows))
            sums = whole(weights_of(runs[chosen[first:last]].reshape(-1))).reshape(-1, width)
            sums = sums.cumsum(dim=1) + start_of[first:last, None]
            inside = wanted[edges[first] : edges[last]]
            place = torch.searchsorted(sums.reshape(-1), inside, right=True)
            found.append(chosen[first:last][place // width] * width + place % width)
        return _to_host(torch.cat(found))

    def at(self, index: Whole) -> Whole:
        """See `Amplitudes.at`."""
        weights = weights_of(self._state[self._here(index)])
        check_so_far(float(weights.max()), self._allowed)
        return _to_host(whole(weights))

    def _here(self, part: Whole) -> Tensor:
        return torch.from_numpy(part).to(self._state.device)


class DeviceCumulative:
    """The cumulative sum of a tensor's weights, on its device."""

    def __init__(self, state: Tensor) -> None:
        parts, norms = [], []
        for part in _chunks(state.detach()):
            weights = weights_of(part)
            norms.append(weights.sum())
            parts.append(whole(weights))
        check_norm(float(torch.stack(norms).sum()), tolerance(state))
        self._sums = torch.cat(parts).cumsum(dim=0)

    @property
    def total(self) -> int:
        """See `Cumulative.total`."""
        return int(self._sums[-1])

    def find(self, draws: Whole) -> Whole:
        """See `Cumulative.find`."""
        wanted = torch.from_numpy(draws).to(self._sums.device)
        return _to_host(torch.searchsorted(self._sums, wanted, right=True))


def weights_of(part: Tensor) -> Tensor:
    """|amplitude|² in double precision, rounded as numpy rounds: no fused multiply-add."""
    pairs = torch.view_as_real(part).to(torch.float64)
    squares = pairs * pairs
    return squares[..., 0] + squares[..., 1]


def whole(weights: Tensor) -> Tensor:
    """Multiples of 2^-62 below the weights, int64."""
    return (weights * UNIT).to(torch.int64)


def _chunks(state: Tensor) -> Iterator[Tensor]:
    for start in range(0, state.numel(), CHUNK):
        yield state[start : start + CHUNK]


def _to_host(part: Tensor) -> Whole:
    return np.asarray(part.cpu().numpy(), dtype=np.int64)
