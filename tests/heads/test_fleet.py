"""A fleet over real agents and heads; its client notes what it is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from chimera_pipelines.heads import fencing
from chimera_pipelines.heads.attach import AgentHandle, gone
from chimera_pipelines.heads.fleet import Fleet
from chimera_pipelines.heads.frames import WireError
from chimera_pipelines.heads.head_link import HeadLink
from tests.heads.agents import ROOT, until
from tests.heads.fleets import Notes, begun, give


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
from tests.heads.fleets import Notes, begun, give
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
