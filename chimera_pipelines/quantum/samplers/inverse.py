"""Sampling by the inverse of the cumulative sum: in two levels, or over all amplitudes at once.

Both place the same uniform numbers on the same whole sums, so they give the same outcomes: which
of them runs is a matter of time and memory alone.
"""

from __future__ import annotations

import numpy as np

from chimera_pipelines.quantum.samplers.amplitudes import BLOCK, Amplitudes, Cumulative, Whole


def two_level(amplitudes: Amplitudes, shots: int, rng: np.random.Generator) -> Whole:
    """Indices of `shots` draws, ascending: sums of blocks, then the blocks that were hit.

    Raises:
        KernelError: CHIM778 for a state that is not normalised.
    """
    width = min(BLOCK, amplitudes.size)
    sums, _ = amplitudes.block_sums(width)
    return within(amplitudes, np.cumsum(sums), sums, draws(int(sums.sum()), shots, rng))


def within(amplitudes: Amplitudes, edges: Whole, sums: Whole, wanted: Whole) -> Whole:
    """The second level: draws placed within blocks of known sums, whose cumulative sum is `edges`.

    A draw lies below the edge of its block and not below the one before: no empty block is hit.
    """
    home = np.searchsorted(edges, wanted, side="right")
    rows = np.unique(home).astype(np.int64)
    return amplitudes.find(rows, amplitudes.size // len(sums), edges[rows] - sums[rows], wanted)


def cumulated(cumulative: Cumulative, shots: int, rng: np.random.Generator) -> Whole:
    """Indices of `shots` draws, ascending, by the kept cumulative sum of all weights."""
    return cumulative.find(draws(cumulative.total, shots, rng))


def draws(total: int, shots: int, rng: np.random.Generator) -> Whole:
    """Ascending whole numbers from 0 to below `total`, drawn on the host; shape (shots,)."""
    numbers = np.sort(rng.random(shots)) * float(total)
    return np.minimum(numbers.astype(np.int64), total - 1)
