"""How fast heads are beside each other, from the durations that their reputations keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from chimera_pipelines.scheduling.reputation import Reputation


def relative_speeds(reputations: Sequence[Reputation], work: str) -> dict[str, float]:
    """Speed of each head at a kind of work, 1 for the fastest of them.

    Where a head was never seen at that work, its other work stands in: the median ratio of its
    durations to those of the others, at what both have done.
    """
    slowness = {}
    for one in reputations:
        ratios = [
            math.log(seconds / other.seconds[shared])
            for other in reputations
            if other.head != one.head
            for shared, seconds in one.seconds.items()
            if shared in other.seconds and _tells(work, shared, reputations)
        ]
        slowness[one.head] = median(ratios) if ratios else 0.0
    least = min(slowness.values(), default=0.0)
    return {head: math.exp(least - slow) for head, slow in slowness.items()}


def _tells(work: str, shared: str, reputations: Sequence[Reputation]) -> bool:
    """Whether durations of `shared` are to be compared for `work`: its own if all have them."""
    return shared == work or not all(work in one.seconds for one in reputations)
