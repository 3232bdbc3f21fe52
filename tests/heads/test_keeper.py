"""What a keeper does where no head comes to life; real heads are in test_agent.py."""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import subprocess
import time

import pytest

from chimera_pipelines.heads import keeper as module
from chimera_pipelines.heads.delivery import HeadProcess, start_limit
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.keeper import MOST_FAILURES, Keeper, local_keepers
from chimera_pipelines.heads.liveness import RECOMPUTE_S, START_S, Pulse
from chimera_pipelines.heads.office import Office
from chimera_pipelines.heads.offspring import Child
from chimera_pipelines.heads.state import KINDS

SECRET = b"s" * 32


@pytest.fixture
def office(tmp_path):
    directory = HeadsDirectory(tmp_path / "heads")
    directory.ensure()
    selector = selectors.DefaultSelector()
    changes = []
    yield Office(
        "agent",
        SECRET,
        directory,
        {},
        "cpu",
        None,
        selector,
        lambda: changes.append(None),
        list,
    )
    selector.close()


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_every_head_has_one(office):
    assert {head: k.entry.kind for head, k in local_keepers(office).items()} == KINDS


def test_no_secret_is_shown(office):
    assert SECRET.decode() not in repr(office)


@pytest.mark.parametrize("what", ["deliver", "next_incarnation"])
def test_a_head_that_cannot_be_forked_is_tried_again_and_then_left_down(office, monkeypatch, what):
    owner = module if what == "deliver" else HeadsDirectory
    monkeypatch.setattr(owner, what, no_room)
    keeper = Keeper("HEAD_1", office)
    keeper.start()
    assert keeper.entry.state == "regenerating"
    assert keeper.gone
    for turn in range(MOST_FAILURES):
        keeper.tick(1e9 * (turn + 1))
    assert keeper.entry.state == "down"
    assert "No space left on device" in keeper.entry.problem
    assert keeper.entry.refusal("HEAD_1").code == "CHIM716"
    keeper.tick(1e12)
    assert keeper.entry.state == "down", "not by itself"
    keeper.start()
    assert keeper.entry.state == "regenerating", "but for who asks"
    keeper.stop()
    keeper.tick(1e13)
    assert keeper.gone


def test_the_next_incarnation_comes_after_the_last_of_another_agent(office):
    office.directory.next_incarnation("HEAD_2")
    assert Keeper("HEAD_2", office).entry.incarnation == 1


class Slow:
    """Heads that live and beat, and never say that they are ready."""

    def __init__(self, monkeypatch):
        self.children = []
        self.beats = []
        monkeypatch.setattr(module, "deliver", self)

    def __call__(self, head, kind, number, before, office):
        child = subprocess.Popen(["/bin/sleep", "600"])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        self.children.append(child)
        self.beats.append(theirs)
        now = time.monotonic()
        made = Child(child.pid, os.pidfd_open(child.pid), 1)
        pulse = Pulse(now)
        return HeadProcess(made, f"unix:{head}.sock", ours, pulse, now, 0, start_limit(before))

    def say(self, **beat):
        self.beats[-1].send(json.dumps(beat).encode())

    def close(self):
        for child, beats in zip(self.children, self.beats, strict=True):
            child.kill()
            child.returncode = 0  # whoever keeps it has reaped it
            beats.close()


@pytest.fixture
def slow(monkeypatch):
    made = Slow(monkeypatch)
    yield made
    made.close()


def reaped(keeper, office):
    """Serve the selector until the process has ended."""
    number = keeper.entry.incarnation
    while not keeper.gone and keeper.entry.incarnation == number:
        ready = office.selector.select(30)
        assert ready, "nobody ends it"
        for key, mask in ready:
            key.data(mask)


def late(keeper, slow, office, seconds):
    """A head that shows life is looked at so long after its fork."""
    slow.say()
    keeper.tick(time.monotonic() + seconds)


def test_a_head_that_beats_and_is_never_ready_is_a_failed_start(office, slow):
    keeper = Keeper("HEAD_1", office)
    keeper.start()
    late(keeper, slow, office, START_S - 5)
    assert keeper.entry.state == "starting"
    for failures in range(1, MOST_FAILURES + 1):
        late(keeper, slow, office, START_S + 1)
        reaped(keeper, office)
        assert keeper.gone
        assert len(slow.children) == failures
        keeper.tick(time.monotonic() + 60)
    assert keeper.entry.state == "down"
    assert f"not ready after {START_S:.0f} s" in keeper.entry.problem
    assert keeper.entry.refusal("HEAD_1").code == "CHIM716"


def test_who_runs_kernels_again_has_the_time_for_it(office, slow):
    keeper = Keeper("HEAD_1", office)
    keeper.fence("restart: a test", recompute=True)
    late(keeper, slow, office, START_S + 1)
    assert keeper.entry.state == "starting"
    late(keeper, slow, office, RECOMPUTE_S + 1)
    reaped(keeper, office)
    assert keeper.gone


def test_a_head_that_was_ready_may_be_as_old_as_it_likes(office, slow):
    keeper = Keeper("HEAD_1", office)
    keeper.start()
    slow.say(busy=False)
    keeper.tick(time.monotonic() + 100 * START_S)
    assert keeper.entry.state == "idle"
    keeper.fence("restart: a test")
    reaped(keeper, office)
    assert keeper.entry.incarnation == 2, "that is no failed start: it is forked at once"
    keeper.kill()
    reaped(keeper, office)
