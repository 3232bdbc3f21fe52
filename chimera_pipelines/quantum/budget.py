"""Shots: a number, none at all, or a budget that a target error spends.

A budget asks for a standard error and caps the shots. Expectation values spend it on the measured
bases as Neyman allots a stratified sample: in proportion to the spread of each, so that the error
is reached with the fewest shots. Counts need no pilot: no probability that is estimated from N
shots has a standard error above 1 ÷ (2 √N).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase

PILOT_SHARE = 0.05  # of the shots that the worst case would take
PILOT_SHOTS = 128  # a basis, at least, where the budget allows
MIN_SHOTS = 2  # a basis: below that there is no spread
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Budget:
    """As many shots a circuit as a standard error of `error` takes, and at most `most`."""

    error: float
    most: int

    def as_json(self) -> dict[str, JSONValue]:
        """`{"error": …, "max": …}`, as a document writes it."""
        return {"error": self.error, "max": self.most}


Shots: TypeAlias = int | Budget | None


def for_counts(shots: int | Budget) -> int:
    """The number; of a budget, so many that no probability's standard error is above its error."""
    if isinstance(shots, Budget):
        return min(shots.most, math.ceil(0.25 / shots.error**2)) if shots.error < 1.0 else 1
    return shots


def shots_from_json(value: object) -> Shots:
    """Shots of a document or a frame: a number, None or "exact", or `{error, max}`.

    Raises:
        KernelError: MAML319 for anything else.
    """
    if value is None or value == "exact":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, Budget):
        return value
    if isinstance(value, Mapping) and set(value) == {"error", "max"}:
        error, most = value["error"], value["max"]
        real = isinstance(error, int | float) and not isinstance(error, bool)
        if real and 0.0 < error < math.inf and isinstance(most, int) and most > 0:
            return Budget(float(error), most)
    raise KernelError(
        "MAML319",
        f"shots {value!r:.80}",
        phase=Phase.PROPAGATE,
        hint="a positive integer, exact, or {error: 0.01, max: 100000}",
    )


def shots_as_json(shots: Shots) -> JSONValue:
    """The inverse of `shots_from_json`."""
    return shots.as_json() if isinstance(shots, Budget) else shots


def pilot(bounds: Sequence[float], budget: Budget) -> list[int]:
    """Shots of the first round, in proportion to the greatest value that each basis can give.

    Raises:
        KernelError: MAML319 when the budget has not two shots for every basis.
    """
    least = MIN_SHOTS * len(bounds)
    if budget.most < least:
        raise KernelError(
            "MAML319",
            f"at most {budget.most} shots for {len(bounds)} measured bases",
            phase=Phase.PROPAGATE,
            hint=f"raise max of shots to {least} or more",
        )
    total = math.fsum(bounds)
    worst = (total / budget.error) ** 2
    wanted = max(PILOT_SHOTS * len(bounds), PILOT_SHARE * worst)
    room = max(min(wanted, budget.most / 2), least) - least
    return [MIN_SHOTS + int(room * bound / total if total else 0) for bound in bounds]


def further(
    variances: Sequence[float], bounds: Sequence[float], spent: Sequence[int], budget: Budget
) -> list[int]:
    """Shots of the next round; all zero when the error is reached or nothing is left.

    A basis counts as if one more shot had given the opposite of the others: a spread of zero after
    few shots is no proof.
    """
    careful = [v + b * b / n for v, b, n in zip(variances, bounds, spent, strict=True)]
    left = budget.most - sum(spent)
    reached = math.fsum(v / n for v, n in zip(careful, spent, strict=True))
    if left <= 0 or reached <= budget.error**2:
        return [0] * len(spent)
    roots = [math.sqrt(value) for value in careful]
    scale = math.fsum(roots) / budget.error**2
    missing = [max(0, math.ceil(root * scale) - n) for root, n in zip(roots, spent, strict=True)]
    total = sum(missing)
    if total <= left:
        return missing
    shares = [count * left // total for count in missing]
    shares[missing.index(max(missing))] += left - sum(shares)
    return shares
