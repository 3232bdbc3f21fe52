"""Rows of memory experiments as curves, and where curves of two distances cross.

Rows are the JSON that documents publish, so nothing of stim is needed to draw or judge them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from chimera_pipelines.qec.errors import ExperimentError

PUBLISHED: Final = frozenset(
    ("noise", "distance", "rounds", "physical", "logical", "low", "high", "shots", "decoder")
)
_TWO: Final = 2
_NUMBERS: Final = {"distance": 1 << 20, "physical": 1, "logical": 1}
_ROWS: Final = "rows as surface_code_memory gives them"


@dataclass(frozen=True, slots=True)
class Curve:
    """Rates of one noise model and decoder over one of physical rate and distance.

    Attributes:
        noise: name of the noise model.
        decoder: name of the decoder.
        fixed: the distance, or the physical rate where the curve goes over distances.
        points: `(x, logical, low, high)` in the order of x.
    """

    noise: str
    decoder: str
    fixed: float
    points: tuple[tuple[float, float, float, float], ...]


def is_memory(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a published value is rows of memory experiments."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and row.keys() >= PUBLISHED for row in value)
    )


def axis(rows: Sequence[Mapping[str, Any]]) -> str:
    """What curves go over: `physical`, or `distance` where there is but one physical rate."""
    return "physical" if len({row["physical"] for row in rows}) > 1 else "distance"


def curves(rows: Sequence[Mapping[str, Any]]) -> tuple[Curve, ...]:
    """The rows as curves over `axis(rows)`."""
    over = axis(rows)
    fixed = "distance" if over == "physical" else "physical"
    found: dict[tuple[str, str, float], list[tuple[float, float, float, float]]] = {}
    for row in rows:
        key = row["noise"], row["decoder"], row[fixed]
        point = row[over], row["logical"], row["low"], row["high"]
        found.setdefault(key, []).append(point)
    return tuple(Curve(*key, tuple(sorted(points))) for key, points in sorted(found.items()))


def counted(rows: object) -> Sequence[Mapping[str, Any]]:
    """Rows that strangers give, if `crossing` can be asked of them.

    Raises:
        ExperimentError: CHIM791, naming the row.
    """
    if not isinstance(rows, list | tuple):
        raise ExperimentError("CHIM791", f"{rows!r:.40} is no list of rows", hint=_ROWS)
    for number, row in enumerate(rows):
        for name, most in _NUMBERS.items():
            value = row.get(name) if isinstance(row, Mapping) else None
            sound = isinstance(value, int | float) and not isinstance(value, bool)
            if not sound or not 0 <= value <= most:  # type: ignore[operator]
                message = f"row {number}: {name} {value!r:.40} is no number from 0 to {most}"
                raise ExperimentError("CHIM791", message, hint=_ROWS)
    kinds = {tuple(_name(row.get(name)) for name in ("noise", "decoder")) for row in rows}
    if len(kinds) > 1:
        message = f"rows of {len(kinds)} noise models and decoders"
        raise ExperimentError("CHIM791", message, hint="ask of one noise model and decoder")
    return rows


def _name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ExperimentError("CHIM791", f"a row of {value!r:.40}, which is no name", hint=_ROWS)
    return value


def crossing(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Physical rate at which the largest distance begins to be worse than the smallest.

    Between two measured rates both curves are taken as straight in logarithms. None where they do
    not cross: larger codes are then always better, always worse, or too few errors were seen.
    """
    distances = sorted({row["distance"] for row in rows})
    if len(distances) < _TWO:
        return None
    rates = {(row["distance"], row["physical"]): row["logical"] for row in rows}
    before: tuple[float, float] | None = None
    for physical in sorted({row["physical"] for row in rows}):
        small, large = (rates.get((d, physical), 0.0) for d in (distances[0], distances[-1]))
        if small <= 0 or large <= 0 or physical <= 0:
            continue
        gap = math.log(large / small)
        if before is not None and before[1] < 0 <= gap:
            x = math.log(before[0]), math.log(physical)
            return math.exp(x[0] + (x[1] - x[0]) * -before[1] / (gap - before[1]))
        before = physical, gap
    return None
