"""Heads of a dead agent. How a run goes on without its agent: test_fleet.py."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import replace

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import agent_link
from chimera_pipelines.heads.agent_link import fence
from chimera_pipelines.heads.proc import look
from tests.heads.test_state import state as any_state


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as child:  # noqa: S607
        yield child
        child.kill()


def with_head(child, *, later=0, **changes):
    state, found = any_state(), look(child.pid)
    assert found is not None
    down = {head: replace(entry, pid=None, created=None) for head, entry in state.heads.items()}
    head = replace(down["HEAD_1"], pid=child.pid, created=found.created + later, **changes)
    return replace(state, heads={**down, "HEAD_1": head})


def test_a_head_that_outlived_its_agent_is_ended(sleeper):
    fence(with_head(sleeper))
    assert sleeper.wait(10) == -signal.SIGKILL


def test_who_got_its_number_since_and_heads_elsewhere_are_left_alone(sleeper):
    fence(with_head(sleeper, later=1))
    fence(with_head(sleeper, address="tcp:10.0.0.2:4000"))
    assert sleeper.poll() is None


def test_one_that_does_not_end_stops_the_run(sleeper, monkeypatch):
    monkeypatch.setattr(agent_link, "end", lambda *_: None)
    monkeypatch.setattr(agent_link, "_FENCED_S", 0.01)
    with pytest.raises(HeadUnavailableError, match="HEAD_1 of a dead agent") as refusal:
        fence(with_head(sleeper))
    assert refusal.value.code == "CHIM714"
