"""Amplitudes in a numpy array.

Memory: buffers of CHUNK amplitudes, which stay in the processor's cache; a pass over all weights
then takes half the time of one over large temporaries.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chimera_pipelines.quantum.samplers.amplitudes import (
    UNIT,
    HostState,
    Whole,
    check_norm,
    tolerance,
)

CHUNK = 1 << 15


class HostAmplitudes:
    """A C-contiguous complex64 or complex128 array of shape (2^n,)."""

    def __init__(self, state: HostState) -> None:
        self._state = state
        self._allowed = tolerance(state)

    @property
    def size(self) -> int:
        """See `Amplitudes.size`."""
        return self._state.size

    def block_sums(self, width: int) -> tuple[Whole, int]:
        """See `Amplitudes.block_sums`."""
        sums = np.empty(self.size // width, dtype=np.int64)
        norm, largest = 0.0, 0.0
        for start, part in weights_of(self._state, max(width, CHUNK)):
            norm += float(part.sum())
            largest = max(largest, float(part.max()))
            check_so_far(norm, self._allowed)
            runs = whole(part).reshape(-1, width)
            sums[start // width : start // width + len(runs)] = runs.sum(axis=1)
        check_norm(norm, self._allowed)
        return sums, int(largest * UNIT)

    def find(self, rows: Whole, width: int, before: Whole, draws: Whole) -> Whole:
        """See `Amplitudes.find`."""
        runs = self._state.reshape(-1, width)
        found = np.empty(len(draws), dtype=np.int64)
        step = max(1, CHUNK // width)
        edges = np.searchsorted(draws, before)
        for first in range(0, len(rows), step):
            chosen = rows[first : first + step]
            ((_, part),) = weights_of(runs[chosen].reshape(-1), len(chosen) * width)
            sums = whole(part).reshape(-1, width).cumsum(axis=1)
            sums += before[first : first + step, None]
            start = edges[first]
            end = edges[first + step] if first + step < len(rows) else len(draws)
            place = np.searchsorted(sums.reshape(-1), draws[start:end], side="right")
            found[start:end] = chosen[place // width] * width + place % width
        return found

    def at(self, index: Whole) -> Whole:
        """See `Amplitudes.at`."""
        ((_, part),) = weights_of(self._state[index], len(index))
        check_so_far(float(part.max(initial=0.0)), self._allowed)
        return whole(part)


class HostCumulative:
    """The cumulative sum of a numpy state's weights."""

    def __init__(self, state: HostState) -> None:
        self._sums = np.empty(state.size, dtype=np.int64)
        norm, carry = 0.0, 0
        allowed = tolerance(state)
        for start, part in weights_of(state, CHUNK):
            norm += float(part.sum())
            check_so_far(norm, allowed)
            here = self._sums[start : start + len(part)]
            np.cumsum(whole(part), out=here)
            here += carry
            carry = int(here[-1])
        check_norm(norm, allowed)

    @property
    def total(self) -> int:
        """See `Cumulative.total`."""
        return int(self._sums[-1])

    def find(self, draws: Whole) -> Whole:
        """See `Cumulative.find`."""
        return np.searchsorted(self._sums, draws, side="right")


def weights_of(state: HostState, step: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """|amplitude|² of `step` amplitudes at a time, in a buffer that the next ones overwrite."""
    size = state.size
    step = min(step, size)
    parts = np.ascontiguousarray(state).view(state.real.dtype)
    squares, sums = np.empty(2 * step), np.empty(step)
    for start in range(0, size, step):
        part = parts[2 * start : 2 * (start + step)]
        here, out = squares[: len(part)], sums[: len(part) // 2]
        with np.errstate(over="ignore"):  # whoever adds them up refuses infinity
            np.multiply(part, part, out=here, dtype=np.float64)
        yield start, np.add(here[0::2], here[1::2], out=out)


def check_so_far(norm: float, allowed: float) -> None:
    """Refuses a sum that is too large already, or no number, before it becomes whole.

    Raises:
        KernelError: CHIM778.
    """
    if not norm <= 1.0:
        check_norm(norm, allowed)


def whole(weights: NDArray[np.float64]) -> Whole:
    """Multiples of 2^-62 below the weights."""
    return (weights * UNIT).astype(np.int64)
