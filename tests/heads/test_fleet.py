"""A fleet over real agents and heads; its client notes what it is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chimera_pipelines.heads import fencing, following
from chimera_pipelines.heads.attach import AgentHandle, attach_or_start, gone
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.fleet import Fleet
from chimera_pipelines.heads.frames import WireError
from chimera_pipelines.heads.head_link import HeadLink
from chimera_pipelines.settings import Settings
from tests.heads.agents import ROOT, running, until

TOY = {"toy": "tests.heads.toys:Toy"}


class Notes:
    """Events in the order in which they were told."""

    def __init__(self):
        self.told = []

    def up(self, head, incarnation):
        self.told.append(("up", head, incarnation))

    def frame(self, head, message):
        self.told.append((message.frame["is"], head, message.frame))

    def down(self, head, death):
        self.told.append(("down", head, death))

    def broken(self, error):
        self.told.append(("broken", None, error))

    def of(self, what):
        return [told for is_, _, told in list(self.told) if is_ == what]

    def wait(self, what, count=1):
        return until(f"{count} {what}", lambda: self.of(what)[count - 1 : count] or None)[0]

    def frames_of(self, work):
        return [
            (is_, told.get("key"))
            for is_, _, told in self.told
            if is_ in {"start", "end", "rest"} and told.get("work") == work
        ]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def warm(tmp_path):
    with running(tmp_path / "heads") as agent:
        yield agent


@pytest.fixture
def fleet(warm, notes):
    fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
    yield fleet
    fleet.close()
    assert [t for t in threading.enumerate() if t.name.startswith("fleet-")] == []


def give(fleet, head, work, *steps, **more):
    return fleet.perform(head, work, "toy", {"steps": [list(step) for step in steps]}, **more)


def begun(notes, work, key):
    until(f"{key} of {work}", lambda: ("start", key) in notes.frames_of(work))


def test_it_starts_what_it_needs_and_no_more(fleet, notes, warm):
    fleet.require("HEAD_2")
    incarnation = notes.wait("up")
    notes.wait("idle")
    assert fleet.idle() == fleet.up() == ["HEAD_2"]
    assert fleet.incarnation("HEAD_2") == incarnation
    assert fleet.entries()["HEAD_1"].state == "down"
    assert not give(fleet, "HEAD_1", "w", ("a", "echo", 1))


def test_a_work_and_when_its_head_is_idle(fleet, notes):
    fleet.require("HEAD_1")
    notes.wait("idle")
    assert give(fleet, "HEAD_1", "w", ("a", "echo", 5), ("b", "echo", 6))
    assert fleet.idle() == []
    notes.wait("rest")
    assert notes.frames_of("w") == [
        *(("start", "a"), ("end", "a"), ("start", "b"), ("end", "b"), ("rest", None))
    ]
    until("idle", lambda: fleet.idle() == ["HEAD_1"])


def test_work_may_be_given_from_within_an_event(warm):
    class Chain(Notes):
        def frame(self, head, message):
            super().frame(head, message)
            done = len(self.of("rest"))
            if message.frame["is"] == "rest" and done < 4:
                assert self.fleet.idle() == ["HEAD_1"]
                assert give(self.fleet, head, f"w{done}", ("a", "count", None))

    notes = Chain()
    notes.fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
    notes.fleet.require("HEAD_1")
    notes.wait("idle")
    give(notes.fleet, "HEAD_1", "w0", ("a", "count", None))
    notes.wait("rest", 4)
    assert [frame["value"] for frame in notes.of("end")] == [1, 2, 3, 4]
    notes.fleet.close()


def test_a_death_names_the_work_and_its_step_and_the_next_incarnation_comes(fleet, notes):
    fleet.require("HEAD_1")
    first = notes.wait("up")
    give(fleet, "HEAD_1", "w1", ("a", "echo", 1), ("b", "kill", signal.SIGKILL))
    give(fleet, "HEAD_1", "w2", ("a", "echo", 1))
    death = notes.wait("down")
    assert (death.head, death.incarnation) == ("HEAD_1", first)
    assert (death.signal, death.work, death.step) == (signal.SIGKILL, "w1", "b")
    assert death.works == ("w1", "w2")
    assert "SIGKILL" in death.reason
    assert not death.final
    second = notes.wait("up", 2)
    assert (second.agent, second.number) == (first.agent, first.number + 1)
    assert give(fleet, "HEAD_1", "w2", ("a", "before", None))
    notes.wait("rest")
    assert notes.of("end")[-1]["value"][0] == first.number


def test_a_stopped_head_is_a_death(fleet, notes):
    fleet.require("HEAD_1")
    notes.wait("up")
    give(fleet, "HEAD_1", "w", ("a", "sleep", 60))
    begun(notes, "w", "a")
    os.kill(fleet.entries()["HEAD_1"].pid, signal.SIGSTOP)
    death = notes.wait("down")
    assert (death.signal, death.step) == (signal.SIGSTOP, "a")
    notes.wait("up", 2)


def test_a_lost_device_gets_no_more_work_before_the_next_incarnation(fleet, notes):
    fleet.require("HEAD_1")
    notes.wait("up")
    give(fleet, "HEAD_1", "w", ("a", "lose_device", "xid 79"))
    assert notes.wait("rest")["error"]["code"] == "CHIM715"
    death = notes.wait("down")
    assert death.works == ()
    assert "device" in death.reason
    notes.wait("up", 2)


def test_a_reported_fault_replaces_the_incarnation(fleet, notes):
    fleet.require("HEAD_1")
    notes.wait("up")
    fleet.fault("HEAD_1", "its ticket does not verify")
    assert "its ticket does not verify" in notes.wait("down").reason
    assert notes.wait("up", 2).number == 2


def test_a_broken_fleet_still_sees_heads_end(warm):
    class Faulty(Notes):
        def frame(self, head, message):
            super().frame(head, message)
            if message.frame["is"] == "start":
                raise RuntimeError("a fault of the client")

    notes = Faulty()
    with contextlib.closing(Fleet(AgentHandle(warm.folder, own=False), events=notes)) as fleet:
        fleet.require("HEAD_1")
        notes.wait("idle")
        entry = fleet.entries()["HEAD_1"]
        give(fleet, "HEAD_1", "w", ("a", "sleep", 600))
        notes.wait("broken")
        assert not gone(entry.pid, entry.created, within_s=0.0)
        assert fleet.fence(["HEAD_1", "HEAD_2"], "its run ends") == {"HEAD_1"}
        assert gone(entry.pid, entry.created, within_s=0.0)
        assert warm.up("HEAD_1", after=1).before.reason == "fault: its run ends"


@pytest.mark.parametrize("here", [True, False])
def test_where_the_agent_does_not_answer_a_head_on_this_machine_is_ended_by_us(
    warm, fleet, notes, monkeypatch, here
):
    monkeypatch.setattr(fencing, "FENCED_S", 0.2)
    fleet.require("HEAD_1")
    notes.wait("idle")
    entry = fleet.entries()["HEAD_1"]
    give(fleet, "HEAD_1", "w", ("a", "sleep", 600))
    begun(notes, "w", "a")
    if not here:
        fleet._links["HEAD_1"].process = None
    os.kill(warm.process.pid, signal.SIGSTOP)
    try:
        assert fleet.fence(["HEAD_1"], "its run ends") == ({"HEAD_1"} if here else set())
        assert gone(entry.pid, entry.created, within_s=0.0) == here
        if here:
            assert notes.wait("down").known
            assert fleet.fence(["HEAD_1"], "its run ends") == {"HEAD_1"}, "and that stays known"
        else:
            fleet._links["HEAD_1"].connection.hang_up()
            assert not notes.wait("down").known
    finally:
        os.kill(warm.process.pid, signal.SIGCONT)


def test_a_head_that_hangs_up_on_our_work_is_dead_before_its_death_is_told(warm):
    class Looks(Notes):
        def down(self, head, death):
            self.lived = not gone(self.pid, self.created, within_s=0.0)
            super().down(head, death)

    notes = Looks()
    with contextlib.closing(Fleet(AgentHandle(warm.folder, own=False), events=notes)) as fleet:
        fleet.require("HEAD_1")
        notes.wait("idle")
        entry = fleet.entries()["HEAD_1"]
        notes.pid, notes.created = entry.pid, entry.created
        give(fleet, "HEAD_1", "w", ("a", "sleep", 600))
        begun(notes, "w", "a")
        fleet._links["HEAD_1"].connection.hang_up()
        death = notes.wait("down")
        assert (death.work, death.step, notes.lived) == ("w", "a", False)
        assert death.from_outside
        assert notes.wait("up", 2).number == 2


def test_a_head_that_hangs_up_and_has_no_work_of_ours_is_connected_to_again(fleet, notes):
    fleet.require("HEAD_1")
    first = notes.wait("up")
    fleet._links["HEAD_1"].connection.hang_up()
    notes.wait("down")
    assert notes.wait("up", 2) == first
    give(fleet, "HEAD_1", "w", ("a", "echo", 1))
    notes.wait("rest")


def test_a_corrupted_frame_fences_the_head_that_sent_it(fleet, notes, monkeypatch):
    fleet.require("HEAD_1")
    notes.wait("idle")
    link = fleet._links["HEAD_1"]
    real = link.connection._reader.decode
    broken = WireError("CHIM713", "a frame was changed on the way")

    def decode(*given):
        message = real(*given)
        if message.frame["is"] == "end":
            raise broken
        return message

    monkeypatch.setattr(link.connection._reader, "decode", decode)
    give(fleet, "HEAD_1", "w", ("a", "echo", 1))
    death = notes.wait("down")
    assert "CHIM713" in death.reason
    assert death.works == ("w",)
    assert notes.wait("up", 2).number == 2


def test_cancel(fleet, notes):
    fleet.require("HEAD_1")
    notes.wait("up")
    give(fleet, "HEAD_1", "w", ("a", "sleep", 60), ("b", "echo", 1), run="r")
    begun(notes, "w", "a")
    fleet.cancel("HEAD_1", "r")
    assert notes.wait("rest")["cancelled"]


def test_two_clients_share_a_head(warm, fleet, notes):
    other_notes = Notes()
    with contextlib.closing(
        Fleet(AgentHandle(warm.folder, own=False), events=other_notes)
    ) as other:
        for one, its in ((fleet, notes), (other, other_notes)):
            one.require("HEAD_1")
            its.wait("idle")
        give(fleet, "HEAD_1", "w", ("a", "sleep", 60))
        begun(notes, "w", "a")
        until("busy", lambda: other.idle() == [])
        fleet.cancel("HEAD_1", "w")
        until("idle", lambda: other.idle() == ["HEAD_1"])
        assert other_notes.frames_of("w") == []


def test_a_resumed_client_adopts(warm, fleet, notes):
    dead = Notes()
    client = Fleet(AgentHandle(warm.folder, own=False), events=dead)
    client.require("HEAD_1", "HEAD_3")
    dead.wait("up", 2)
    give(client, "HEAD_1", "w1", ("a", "echo", 1), ("b", "sleep", 60), run="r")
    give(client, "HEAD_1", "w2", ("a", "echo", 2), run="r")
    give(client, "HEAD_3", "w3", ("a", "sleep", 60), run="other")
    begun(dead, "w1", "b")
    client.close()
    adopted = fleet.adopt("r")
    assert [(one.head, one.work, one.current) for one in adopted] == [
        ("HEAD_1", "w1", "b"),
        ("HEAD_1", "w2", None),
    ]
    assert [frame["value"] for frame in adopted[0].ended] == [1]
    assert adopted[0].payload["steps"][0] == ["a", "echo", 1]
    fleet.cancel("HEAD_1", "w1")
    notes.wait("rest", 2)
    assert notes.frames_of("w2") == [("start", "a"), ("end", "a"), ("rest", None)]
    assert fleet.up() == ["HEAD_1", "HEAD_3"]


def test_a_head_that_does_not_say_what_it_does_for_a_run_ends(warm, fleet, notes, monkeypatch):
    fleet.require("HEAD_1")
    notes.wait("idle")
    dead = Notes()
    client = Fleet(AgentHandle(warm.folder, own=False), events=dead)
    client.require("HEAD_1")
    dead.wait("up")
    give(client, "HEAD_1", "w", ("a", "sleep", 600), run="r")
    begun(dead, "w", "a")
    client.close()
    entry = fleet.entries()["HEAD_1"]
    monkeypatch.setattr(HeadLink, "send", lambda *_: False)
    assert fleet.adopt("r", timeout_s=0.0) == []
    assert gone(entry.pid, entry.created, within_s=0.0)
    assert notes.wait("up", 2).number == 2


def test_a_killed_client_leaves_or_cancels_its_works(warm, fleet, notes):
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from chimera_pipelines.heads.attach import AgentHandle
from chimera_pipelines.heads.fleet import Fleet
from tests.heads.test_fleet import Notes, begun, give
notes = Notes()
fleet = Fleet(AgentHandle(Path({str(warm.folder)!r}), own=False), events=notes)
fleet.require("HEAD_1")
notes.wait("idle")
give(fleet, "HEAD_1", "w", ("a", "sleep", 600), orphan="cancel")
begun(notes, "w", "a")
print("begun", flush=True)
time.sleep(60)
"""
    fleet.require("HEAD_1")
    notes.wait("idle")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as client:
        assert client.stdout.readline() == b"begun\n"
        until("busy", lambda: fleet.idle() == [])
        client.kill()
    until("idle", lambda: fleet.idle() == ["HEAD_1"])
    assert fleet.incarnation("HEAD_1").number == 1


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
