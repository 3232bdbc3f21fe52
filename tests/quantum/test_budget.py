from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.budget import (
    Budget,
    for_counts,
    further,
    pilot,
    shots_as_json,
    shots_from_json,
)


@pytest.mark.parametrize("shots", [1, 20_000, None, Budget(0.01, 100_000)])
def test_shots_survive_json(shots):
    assert shots_from_json(shots_as_json(shots)) == shots


def test_a_document_writes_exact_and_budgets():
    assert shots_from_json("exact") is None
    assert shots_from_json({"error": 1, "max": 10}) == Budget(1.0, 10)


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, True, 1.5, "many", [], {}, {"error": 0.1}, {"error": 0.1, "max": 0}),
        *({"error": 0.0, "max": 9}, {"error": math.nan, "max": 9}, {"error": "1", "max": 9}),
        *({"error": math.inf, "max": 9}, {"error": 0.1, "max": 9.5}, {"error": True, "max": 9}),
    ],
)
def test_other_shots_are_319(value):
    with pytest.raises(KernelError) as caught:
        shots_from_json(value)
    assert caught.value.code == "MAML319"


@given(st.floats(1e-4, 10.0), st.integers(1, 10**7))
def test_counts_have_the_error_that_was_asked_for_unless_capped(error, most):
    shots = for_counts(Budget(error, most))
    assert 1 <= shots <= most
    assert shots == most or 0.5 / math.sqrt(shots) <= error
    assert for_counts(7) == 7


bases = st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 1.0)), min_size=1, max_size=6)


@given(bases, st.floats(1e-3, 1.0), st.integers(12, 10**6))
def test_rounds_end_at_the_error_or_at_the_most(parts, error, most):
    bounds = [bound for bound, _ in parts]
    variances = [share * bound**2 for bound, share in parts]
    budget = Budget(error, most)
    spent = pilot(bounds, budget)
    assert min(spent) >= 2
    for _ in range(20):
        more = further(variances, bounds, spent, budget)
        assert min(more) >= 0
        spent = [a + b for a, b in zip(spent, more, strict=True)]
        assert sum(spent) <= most
        if not any(more):
            break
    reached = math.fsum(v / n for v, n in zip(variances, spent, strict=True))
    assert sum(spent) == most or reached <= error**2


def test_shots_go_where_the_spread_is():
    """Neyman: 3 to 1 for standard deviations of 3 and 1; the pilot is small beside it."""
    spent = [100, 100]
    more = further([9.0, 1.0], [3.0, 1.0], spent, Budget(0.001, 10**9))
    first, second = (a + b for a, b in zip(spent, more, strict=True))
    assert first / second == pytest.approx(3.0, rel=0.01)
    assert 9.0 / first + 1.0 / second <= 0.001**2


def test_a_spread_of_zero_after_a_few_shots_is_no_proof():
    assert further([0.0], [1.0], [2], Budget(0.01, 10**6))[0] > 100
    assert further([0.0], [1.0], [200], Budget(0.01, 10**6)) == [0]
