"""Stages are added up, written and read back; nothing that is no timeline is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline

EMPTY = Timeline("HEAD_1", 1, 2, "killed by signal 9")

stages = st.dictionaries(
    st.sampled_from(list(Stage)), st.floats(0, 1e4).map(lambda x: round(x, 6)), max_size=8
)


@given(stages)
def test_is_read_back_from_json(found: dict[Stage, float]) -> None:
    timeline = Timeline("HEAD_3", None, 1, "started", found, 2, 1 << 20, 100, 3)
    assert Timeline.from_json(json.loads(json.dumps(timeline.as_json()))) == timeline


@given(st.lists(st.tuples(st.sampled_from(list(Stage)), st.floats(0, 1e3)), max_size=20))
def test_sums_what_was_measured_in_any_order(measured: list[tuple[Stage, float]]) -> None:
    timeline = EMPTY
    for stage, seconds in measured:
        timeline = timeline.after(stage, seconds)
    assert timeline.seconds == pytest.approx(sum(seconds for _, seconds in measured))


def test_names_stages_in_the_order_in_which_they_happen() -> None:
    timeline = EMPTY.after(Stage.RESUME, 0.1).after(Stage.DETECT, 0.2)
    written = timeline.as_json()["stages"]
    assert written == [
        {"stage": "detect", "seconds": 0.2},
        {"stage": "resume", "seconds": 0.1},
    ]


def test_a_clock_that_runs_back_takes_nothing_away() -> None:
    assert EMPTY.after(Stage.START, 1.0).after(Stage.START, -0.5).seconds == 1.0


def test_a_stage_that_fails_is_timed_all_the_same() -> None:
    watch = Stopwatch(EMPTY)
    with pytest.raises(RuntimeError), watch.stage("gather"):
        raise RuntimeError
    watch.note(problem={"code": "CHIM740", "message": "no"})
    assert set(watch.timeline.stages) == {Stage.GATHER}
    assert watch.timeline.problem == {"code": "CHIM740", "message": "no"}


WRITTEN: dict[str, Any] = EMPTY.as_json()


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"schema": "chimera.timeline/2"},
        {"schema": "chimera.timeline/1"},
        {**WRITTEN, "stages": [{"stage": "guess", "seconds": 1}]},
        {**WRITTEN, "stages": 7},
    ],
)
def test_refuses_what_is_no_timeline(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"timeline|guess"):
        Timeline.from_json(value)


def test_a_line_says_who_came_back_how_long_it_took_and_why() -> None:
    timeline = EMPTY.after(Stage.DETECT, 0.03).after(Stage.REBUILD, 1.5)
    assert timeline.line() == (
        "HEAD_1 #1 → #2 in 1.53 s (killed by signal 9): detect 30 ms, rebuild 1.50 s"
    )
