from __future__ import annotations

import os
import signal
import socket

import pytest

from chimera_pipelines.heads.delivery import HeadProcess
from chimera_pipelines.heads.liveness import Pulse
from chimera_pipelines.heads.offspring import Child
from chimera_pipelines.heads.process import Beats


@pytest.fixture
def process():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    child = Child(os.getpid(), -1, 0)
    yield HeadProcess(child, "unix:x", ours, Pulse(0.0), 0.0, 0), theirs
    ours.close()
    theirs.close()


def test_the_newest_beat_counts(process):
    head, theirs = process
    assert head.hear() is None
    assert head.pulse.beaten == 0.0
    beats = Beats(theirs)
    beats({"busy": False})
    beats({"busy": True, "step": "k.embed"})
    assert head.hear() == {"busy": True, "step": "k.embed"}
    assert head.pulse.beaten > 0.0
    assert head.hear() is None


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b"\xff", b"x" * 60_000])
def test_a_beat_that_is_none_is_a_sign_of_life(process, said):
    head, theirs = process
    theirs.send(said)
    assert head.hear() == {}
    assert head.pulse.beaten > 0.0


@pytest.mark.parametrize("letter", ["k", "\N{SNOWMAN}", "\N{OCTOPUS}"])
def test_a_step_with_a_long_name_fits(process, letter):
    head, theirs = process
    Beats(theirs)({"busy": True, "step": letter * 100_000})
    heard = head.hear()
    assert heard["busy"]
    assert 100 < len(heard["step"]) < 1000
    assert set(heard["step"]) == {letter}


def test_how_it_ended(process):
    head, _ = process
    assert head.how_it_ended(signal.SIGSEGV) == ("killed by SIGSEGV", signal.SIGSEGV)
    assert head.how_it_ended(3 << 8) == ("ended with exit code 3", None)
    assert head.how_it_ended(75 << 8) == ("its device was lost", None)
