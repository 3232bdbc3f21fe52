"""What a client knows of one incarnation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chimera_pipelines.heads.fleet_events import Incarnation
from chimera_pipelines.heads.head_link import HeadLink
from chimera_pipelines.heads.performer import Predecessor
from tests.heads.test_state import state as any_state

STATE = any_state()
HERE = Incarnation(STATE.agent, 3)


class Gone:
    def send(self, *_):
        raise BrokenPipeError


def link(**works):
    return HeadLink("HEAD_1", HERE, Gone(), works=dict(works))  # type: ignore[arg-type]


def told(number, *, problem=None):
    """The state once incarnation `number` has ended."""
    before = Predecessor(number, "killed by SIGKILL", 9, 0.25, 0.5)
    entry = replace(STATE.heads["HEAD_1"], before=before, problem=problem)
    return replace(STATE, heads={**STATE.heads, "HEAD_1": entry})


def test_it_follows_frames():
    one = link(w=None, later=None)
    one.saw({"is": "busy"})
    one.saw({"is": "start", "work": "w", "key": "k.embed"})
    assert one.works == {"w": "k.embed", "later": None}
    one.saw({"is": "end", "work": "w"})
    one.saw({"is": "rest", "work": "w", "queued": 1, "ends": False})
    assert (one.works, one.busy, one.idle) == ({"later": None}, True, False)
    one.saw({"is": "rest", "work": "later", "queued": 0, "ends": False})
    assert one.idle
    one.saw({"is": "rest", "work": "later", "queued": 0, "ends": True})
    assert not one.idle, "its device is lost: it gets no more"


def test_a_head_that_is_gone_takes_nothing():
    assert not link().send({"do": "watch"})


@pytest.mark.parametrize(("ended", "past"), [(2, False), (3, True), (4, True)])
def test_an_incarnation_is_past_once_it_or_a_later_one_has_ended(ended, past):
    assert link().is_past(told(ended)) is past
    assert link().is_past(replace(told(ended), agent="another"))


def test_a_death_names_the_step_that_ran_and_every_work():
    death = link(first=None, w="k.measure").death(told(3, problem="CHIM716"))
    assert (death.work, death.step, death.works) == ("w", "k.measure", ("first", "w"))
    assert (death.reason, death.signal, death.final) == ("killed by SIGKILL", 9, True)
    assert (death.detect_s, death.fence_s) == (0.25, 0.5)
    waiting = link(first=None, second=None).death(told(3))
    assert (waiting.work, waiting.step, waiting.final) == ("first", None, False)


def test_a_death_of_which_the_agent_says_nothing():
    assert link().death(None).reason == "its agent is gone"
    assert link().death(replace(told(3), agent="another")).reason == "its agent is gone"
    assert link().death(told(2)).reason == "it hung up"


def test_works_that_were_adopted_are_ours():
    one = link()
    work = {"work": "w", "performer": "toy", "payload": {}, "current": "a", "ended": [{"key": "b"}]}
    (taken,) = one.adopt([work])
    assert (taken.head, taken.current, taken.ended) == ("HEAD_1", "a", ({"key": "b"},))
    assert one.works == {"w": "a"}
