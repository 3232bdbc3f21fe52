"""A timeline is whole when the interrupted step starts again on the head that came back."""

from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.ledger.evidence import HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling.resumption import Resumptions, recorder, resume_event

CAME_BACK = Timeline("HEAD_1", 3, 4, "killed by SIGKILL", {Stage.DETECT: 0.05})
STEP = "doc__vqe.propagate"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> list[HeadEvent]:
    return []


@pytest.fixture
def dead(clock: Clock, events: list[HeadEvent]) -> Resumptions:
    """HEAD_1 died in a step, and answers again."""
    found = Resumptions(events.append, clock)
    found.died("HEAD_1", frozenset({STEP}))
    found.up("HEAD_1", "agent")
    found.regenerated("HEAD_1", CAME_BACK.as_json())
    return found


def test_the_step_that_was_interrupted_ends_the_timeline(
    dead: Resumptions, clock: Clock, events: list[HeadEvent]
) -> None:
    clock.now += 0.02
    whole = dead.started("HEAD_1", STEP)
    assert whole is not None
    assert whole.stages[Stage.RESUME] == pytest.approx(0.02)
    assert whole.seconds == pytest.approx(0.07)
    assert dead.started("HEAD_1", STEP) is None, "once"
    (event,) = events
    assert (event.head, event.incarnation, event.event) == ("HEAD_1", 4, "resume")
    assert event.agent == "agent"
    assert event.detail == {"old": 3, "step": STEP, "seconds": 0.02, "total": 0.07}


def test_another_step_says_nothing(dead: Resumptions) -> None:
    assert dead.started("HEAD_1", "doc__other.embed") is None
    assert dead.started("HEAD_1", STEP) is not None


def test_a_step_that_goes_on_elsewhere_says_nothing(dead: Resumptions) -> None:
    assert dead.started("HEAD_2", STEP) is None
    assert dead.started("HEAD_1", STEP) is None


def test_a_head_that_dies_again_before_its_step_goes_on_is_measured_anew(
    dead: Resumptions, clock: Clock
) -> None:
    dead.died("HEAD_1", frozenset())
    clock.now += 5
    assert dead.started("HEAD_1", "doc__other.embed") is None
    dead.up("HEAD_1", "agent")
    later = Timeline("HEAD_1", 4, 5, "killed by SIGKILL", {Stage.DETECT: 0.01})
    dead.regenerated("HEAD_1", later.as_json())
    clock.now += 0.5
    whole = dead.started("HEAD_1", STEP)
    assert whole is not None
    assert (whole.old, whole.stages[Stage.RESUME]) == (4, 0.5)


def test_a_head_that_nobody_saw_die_has_no_timeline(clock: Clock) -> None:
    fresh = Resumptions(lambda event: None, clock)
    fresh.up("HEAD_1", "agent")
    fresh.regenerated("HEAD_1", CAME_BACK.as_json())
    assert fresh.started("HEAD_1", STEP) is None


def test_events_are_written_and_a_ledger_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    event = resume_event(CAME_BACK, "agent", STEP)
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    recorder(url)(event).join()
    ledger = Ledger(url)
    try:
        (found,) = ledger.head_events("HEAD_1")
    finally:
        ledger.close()
    assert (found.event, found.detail) == (event.event, event.detail)
    recorder(f"sqlite:///{tmp_path}")(event).join()
