"""Rows as curves, and where they cross: against curves whose crossing is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.qec.curves import axis, crossing, curves, is_memory


def row(distance: int, physical: float, logical: float, **more: Any) -> dict[str, Any]:
    return {
        "noise": "uniform",
        "distance": distance,
        "rounds": distance,
        "physical": physical,
        "logical": logical,
        "low": logical / 2,
        "high": logical * 2,
        "shots": 100,
        "decoder": "pymatching",
        **more,
    }


@given(st.floats(0.0015, 0.009))
def test_power_laws_cross_where_they_are_made_to(threshold: float) -> None:
    rows = [
        row(d, p, 0.1 * (p / threshold) ** ((d + 1) / 2))
        for d in (3, 5, 7)
        for p in (0.001, 0.002, 0.004, 0.01)
    ]
    assert crossing(rows) == pytest.approx(threshold)


def test_curves_that_do_not_cross_have_no_crossing() -> None:
    assert crossing([]) is None
    assert crossing([row(3, 0.001, 0.1), row(3, 0.01, 0.2)]) is None
    better = [row(d, p, p / d) for d in (3, 5) for p in (0.001, 0.01)]
    assert crossing(better) is None
    worse = [row(d, p, p * d) for d in (3, 5) for p in (0.001, 0.01)]
    assert crossing(worse) is None
    without_errors = [row(d, p, 0.0) for d in (3, 5) for p in (0.001, 0.01)]
    assert crossing(without_errors) is None


def test_curves_go_over_rates_or_over_distances() -> None:
    over_rates = [row(d, p, p) for d in (3, 5) for p in (0.02, 0.01)]
    assert axis(over_rates) == "physical"
    three, five = curves(over_rates)
    assert (three.fixed, five.fixed) == (3, 5)
    assert three.points == ((0.01, 0.01, 0.005, 0.02), (0.02, 0.02, 0.01, 0.04))
    over_distances = [row(d, 0.01, 0.1 / d) for d in (5, 3)]
    assert axis(over_distances) == "distance"
    (only,) = curves(over_distances)
    assert only.fixed == 0.01
    assert [point[0] for point in only.points] == [3, 5]


def test_models_and_decoders_have_curves_of_their_own() -> None:
    rows = [row(3, 0.01, 0.1), row(3, 0.01, 0.1, noise="sd6"), row(3, 0.01, 0.1, decoder="table")]
    assert len(curves(rows)) == 3


def test_only_rows_that_say_everything_are_memories() -> None:
    assert is_memory([row(3, 0.01, 0.1, basis="z")])
    for missing in ("noise", "decoder", "shots", "low"):
        assert not is_memory([{k: v for k, v in row(3, 0.01, 0.1).items() if k != missing}])
    for value in (None, [], {}, "rows", [1], [row(3, 0.01, 0.1), None]):
        assert not is_memory(value)
