from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.speeds import relative_speeds


def head(name: str, **seconds: float) -> Reputation:
    return Reputation(name, seconds=seconds)


def test_durations_of_that_work_decide_where_all_heads_have_done_it() -> None:
    found = relative_speeds([head("a", v=1.0, w=4.0), head("b", v=9.0, w=2.0)], "w")
    assert found == {"a": pytest.approx(0.5), "b": 1.0}


def test_other_work_stands_in_where_one_has_not() -> None:
    found = relative_speeds([head("a", u=1.0, v=1.0), head("b", u=3.0, v=3.0, w=0.1)], "w")
    assert found == {"a": 1.0, "b": pytest.approx(1 / 3)}


@pytest.mark.parametrize("heads", [[], [head("a")], [head("a", v=1.0), head("b", w=5.0)]])
def test_heads_that_share_no_work_count_as_equal(heads: list[Reputation]) -> None:
    assert set(relative_speeds(heads, "w").values()) <= {1.0}


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 10), min_size=1),
    st.dictionaries(st.sampled_from("uvw"), st.floats(0.01, 100), min_size=1),
)
def test_true_speeds_are_found(slowness: dict[str, float], works: dict[str, float]) -> None:
    heads = [
        head(name, **{work: seconds * slow for work, seconds in works.items()})
        for name, slow in slowness.items()
    ]
    found = relative_speeds(heads, "elsewhere")
    least = min(slowness.values())
    assert found == {name: pytest.approx(least / slow) for name, slow in slowness.items()}
