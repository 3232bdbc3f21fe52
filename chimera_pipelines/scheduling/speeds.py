"""How fast heads are beside each other, from the durations that their reputations keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from chimera_pipelines.scheduling.reputation import Reputation


def relative_speeds(reputations: Sequence[Reputation], work: str) -> dict[str, float]:
    """Speed of each head at a kind of work, 1 for the fastest of them.

    Where not all of them have done that work, the rest of what they did stands in: the median,
    over all works, of how far a head's duration is from the geometric mean of theirs.
    """
    if reputations and all(work in one.seconds for one in reputations):
        works = {work}
    else:
        works = {name for one in reputations for name in one.seconds}
    distances: dict[str, list[float]] = {one.head: [] for one in reputations}
    for name in works:
        logs = {one.head: math.log(one.seconds[name]) for one in reputations if name in one.seconds}
        if len(logs) > 1:
            middle = fmean(logs.values())
            for head, value in logs.items():
                distances[head].append(value - middle)
    slowness = {head: median(found) if found else 0.0 for head, found in distances.items()}
    least = min(slowness.values(), default=0.0)
    return {head: math.exp(least - slow) for head, slow in slowness.items()}
