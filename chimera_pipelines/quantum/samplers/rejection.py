"""Sampling by rejection: a uniform index is kept with the probability weight ÷ maximum.

It reads 2^n · maximum amplitudes a shot whatever the width, and never the whole state; it never
ends on a GHZ state, so `choice` asks for a known maximum and a bearable number of proposals.
"""

from __future__ import annotations

import numpy as np

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.samplers.amplitudes import UNIT, Amplitudes, Whole

ROUND = 1 << 20
SPARE = 64
PATIENCE = 20  # times the expected number of proposals; a normalised state never takes as many


def rejection(
    amplitudes: Amplitudes, shots: int, rng: np.random.Generator, maximum: float
) -> Whole:
    """Indices of `shots` draws, in the order drawn.

    Args:
        amplitudes: of the state.
        shots: how many.
        rng: on the host.
        maximum: of |amplitude|², or any bound above it.

    Raises:
        KernelError: CHIM778 for a weight over `maximum`, and where so few proposals are kept that
            the weights cannot add up to 1.
    """
    size, top = amplitudes.size, int(maximum * UNIT)
    proposals = size * maximum
    kept: list[Whole] = []
    missing, patience = shots, int(PATIENCE * (proposals * shots + 1000))
    while missing:
        tries = min(ROUND, int(missing * proposals * 1.1) + SPARE)
        index = rng.integers(0, size, tries)
        levels = (rng.random(tries) * top).astype(np.int64)
        weights = amplitudes.at(index)
        if int(weights.max()) > top:
            raise _wrong(f"a weight of {int(weights.max()) / UNIT!r} is over {maximum!r}")
        found = index[levels < weights][:missing]
        kept.append(found)
        missing -= len(found)
        patience -= tries
        if patience < 0:
            raise _wrong(f"fewer than one proposal in {PATIENCE * proposals:g} is kept")
    return np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)


def _wrong(what: str) -> KernelError:
    return KernelError(
        "CHIM778",
        f"sampling by rejection under the maximum: {what}",
        phase=Phase.MEASURE,
        hint="give the true maximum of |amplitude|², or none; the state has to be normalised",
    )
