"""Ends of incarnations, with an agent that answers or does not; real ones are in test_fleet.py."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from chimera_pipelines.heads import fencing
from chimera_pipelines.heads.fencing import Fencing
from chimera_pipelines.heads.fleet_events import Incarnation
from chimera_pipelines.heads.head_link import HeadLink
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.state import KINDS, HeadEntry, State

DEAD = Predecessor(1, "fault: a test", 9, 0.0, 0.0)


class Desk:
    """An agent that obeys, or is deaf, and what was asked of it."""

    def __init__(self, *, deaf):
        self.asked = []
        self.deaf = deaf
        entry = HeadEntry("quantum", "cpu", "unix:x", 1, 1, 1, "idle")
        self.agent = SimpleNamespace(send=self.send, state=self.state(entry))
        self.changed = threading.Condition()
        self.fencing = Fencing(self.changed, self.agent, lambda: False)

    def state(self, entry):
        return State("agent", 1, 1, b"", {}, "", dict.fromkeys(KINDS, entry))

    def send(self, frame):
        self.asked.append((frame["head"], frame["incarnation"]))
        if not self.deaf:
            entry = self.agent.state.heads["HEAD_1"]
            self.agent.state = self.state(replace(entry, incarnation=2, before=DEAD))


@pytest.fixture
def process():
    child = subprocess.Popen(["/bin/sleep", "600"])
    yield child.pid, look(child.pid).created
    child.kill()
    child.wait()


def link(process=None):
    found = HeadLink("HEAD_1", Incarnation("agent", 1), None)
    found.process = process
    return found


def ends(desk, found):
    with desk.changed:
        return desk.fencing.end([found], "a test")


def test_the_agent_ends_it(process):
    desk = Desk(deaf=False)
    assert ends(desk, link(process)) == {"HEAD_1"}
    assert desk.asked == [("HEAD_1", 1)]
    assert look(process[0]).state != "Z", "that was the agent's to do"


def test_a_process_of_this_machine_is_ended_without_the_agent(process, monkeypatch):
    monkeypatch.setattr(fencing, "FENCED_S", 0.05)
    assert ends(Desk(deaf=True), link(process)) == {"HEAD_1"}
    assert look(process[0]).state == "Z"


def test_of_another_machine_it_is_not_known(monkeypatch):
    monkeypatch.setattr(fencing, "FENCED_S", 0.05)
    assert ends(Desk(deaf=True), link()) == set()


def test_those_that_say_nothing_are_waited_for():
    desk = Desk(deaf=False)
    with desk.changed:
        desk.fencing.end_silent({"HEAD_1": 1})
    assert desk.agent.state.heads["HEAD_1"].incarnation == 2


def test_a_dead_agent_has_taken_its_heads_along():
    desk = Desk(deaf=True)
    assert not desk.fencing.is_dead(link())
    desk.agent.state = None
    assert desk.fencing.is_dead(link())
