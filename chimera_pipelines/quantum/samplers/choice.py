"""Which sampler draws: by expected acceptance where the maximum is known, else by size and shots.

The rule reads the state's size, the shots and the maximum, never the device, so that a seed means
the same outcomes everywhere. Figures behind it: docs/benchmarks.md, sampling.
"""

from __future__ import annotations

from enum import StrEnum

from chimera_pipelines.quantum.samplers.amplitudes import BLOCK

MAX_PROPOSALS = 100  # a shot
READS_OF_A_PASS = 4  # amplitudes of a pass that take the time of one proposal
MAX_CUMULATIVE = 1 << 24  # amplitudes; 128 MiB of sums
HIT_SHARE = 0.5  # of the blocks, from which on reading all of them once is quicker


class Method(StrEnum):
    """How indices are drawn."""

    REJECTION = "rejection"
    TWO_LEVEL = "two_level"
    CDF = "cdf"


def choose(size: int, shots: int, maximum: float | None = None) -> Method:
    """The sampler of `shots` draws.

    Args:
        size: 2^n.
        shots: draws.
        maximum: of |amplitude|², where it is known.
    """
    if maximum is not None:
        proposals = size * maximum
        if proposals < MAX_PROPOSALS and proposals * shots * READS_OF_A_PASS < size:
            return Method.REJECTION
    if size <= BLOCK:
        return Method.CDF
    if size <= MAX_CUMULATIVE and shots * BLOCK > HIT_SHARE * size:
        return Method.CDF
    return Method.TWO_LEVEL
