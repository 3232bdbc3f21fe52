"""Agents that die, heads that do not come: what the threads of a fleet make of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from chimera_pipelines.heads import following
from chimera_pipelines.heads.attach import AgentHandle, attach_or_start, gone
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.fleet import Fleet
from chimera_pipelines.settings import Settings
from tests.heads.agents import ROOT, running
from tests.heads.fleets import Notes, begun, give

TOY = {"toy": "tests.heads.toys:Toy"}


def test_an_own_agent_and_what_is_left_of_it(tmp_path, notes, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    settings = Settings(home=tmp_path)
    with attach_or_start(settings, performers=TOY, preload=()) as agent:
        assert agent.own
        fleet = Fleet(agent, events=notes)
        fleet.require("HEAD_1", "HEAD_2")
        notes.wait("up", 2)
        pids = [entry.pid for entry in fleet.entries().values() if entry.pid]
        fleet.close()
    assert len(pids) == 2
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert list((tmp_path / "heads").iterdir()) == []


def test_when_its_agent_dies_the_run_goes_on_with_one_of_its_own(tmp_path, notes, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    settings = Settings(home=tmp_path)
    with attach_or_start(settings, performers=TOY, preload=()) as agent:
        fleet = Fleet(agent, events=notes)
        fleet.require("HEAD_1")
        first = notes.wait("up")
        give(fleet, "HEAD_1", "w", ("a", "hold_gil", 10**10))
        begun(notes, "w", "a")
        state = HeadsDirectory(agent.directory).read()
        os.kill(state.pid, signal.SIGKILL)
        death = notes.wait("down")
        assert (death.work, death.step) == ("w", "a")
        assert "agent" in death.reason
        second = notes.wait("up", 2)
        assert second.agent != first.agent
        entry = state.heads["HEAD_1"]
        assert gone(entry.pid, entry.created, within_s=0.0)
        assert give(fleet, "HEAD_1", "w", ("a", "echo", 1))
        notes.wait("rest")
        fleet.close()
    assert list((tmp_path / "heads").iterdir()) == []


def test_without_an_agent_and_a_way_to_start_one_it_is_broken(tmp_path, notes):
    fleet = Fleet(AgentHandle(tmp_path / "none", own=False), events=notes)
    assert notes.wait("broken").code == "CHIM714"
    fleet.close()


def test_an_agent_that_does_not_start_is_said_so(tmp_path, notes):
    settings = Settings(home=tmp_path)
    with attach_or_start(settings, performers={"toy": "no_such:Toy"}, preload=()) as agent:
        fleet = Fleet(agent, events=notes)
        error = notes.wait("broken")
        fleet.close()
    assert error.code == "CHIM718"
    assert "no_such" in error.message


def test_a_head_that_does_not_start_is_said_so(tmp_path, notes):
    with running(tmp_path / "heads", more=("--device", "gpu", "--preload", "torch")) as warm:
        fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
        fleet.require("HEAD_1")
        error = notes.wait("broken")
        assert error.code == "CHIM716"
        assert "HEAD_1" in error.message
        assert notes.of("down")[-1].final
        fleet.close()


def test_no_head_for_long_is_said_so_with_what_is_waited_for(warm, notes, monkeypatch):
    monkeypatch.setattr(following, "NO_HEADS_S", 0.2)
    monkeypatch.setattr(following.wire, "connect", _refuse)
    fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
    fleet.require("HEAD_1", "HEAD_2")
    error = notes.wait("broken")
    assert error.code == "CHIM714"
    fleet.close()


def test_a_head_that_dies_under_a_stopped_agent_is_given_up_and_the_others_go_on(
    warm, fleet, notes, monkeypatch
):
    monkeypatch.setattr(following, "NO_HEADS_S", 1.0)
    fleet.require("HEAD_1", "HEAD_2")
    notes.wait("up", 2)
    notes.wait("idle", 2)
    entry = fleet.entries()["HEAD_1"]
    os.kill(warm.process.pid, signal.SIGSTOP)
    try:
        os.kill(entry.pid, signal.SIGKILL)
        notes.wait("down")
        death = notes.wait("down", 2)
        assert (death.head, death.final, death.code) == ("HEAD_1", True, "CHIM714")
        assert "no answer" in death.reason
        assert give(fleet, "HEAD_2", "w", ("a", "echo", 1))
        notes.wait("rest")
    finally:
        os.kill(warm.process.pid, signal.SIGCONT)
    assert notes.wait("up", 3).number == 2, "and it is back when its agent is"
    assert notes.of("broken") == []


def test_a_head_that_starts_slowly_is_left_to_its_agent(tmp_path, notes, monkeypatch):
    monkeypatch.setattr(following, "NO_HEADS_S", 1.0)
    more = {"regeneration": "Slow", "env": {"REBIRTHS": str(tmp_path / "notes")}}
    with running(tmp_path / "heads", **more) as agent:
        fleet = Fleet(AgentHandle(agent.folder, own=False), events=notes)
        fleet.require("HEAD_1")
        notes.wait("up")
        fleet.close()
    assert [is_ for is_, *_ in notes.told if is_ in {"down", "broken"}] == []


def _refuse(address, secret, *, directory, **more):
    if "control" in address:
        return REAL(address, secret, directory=directory, **more)
    raise ConnectionRefusedError


REAL = following.wire.connect


def test_an_event_that_raises_is_told_and_hangs_nothing(warm):
    class Faulty(Notes):
        def up(self, head, incarnation):
            raise RuntimeError("a fault of the client")

    notes = Faulty()
    fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
    fleet.require("HEAD_1")
    assert "a fault of the client" in notes.wait("broken").message
    fleet.close()
