"""Events come out in the order in which they went in, from wherever they came."""

from __future__ import annotations

import signal
import threading

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.fleet_events import Death, FleetEvents, Incarnation
from chimera_pipelines.heads.frames import Message
from chimera_pipelines.scheduling.mailbox import Broken, Mailbox, Said, Stopped, Up

FIRST = Incarnation("agent", 1)


def test_a_fleet_may_tell_it() -> None:
    fits: type[FleetEvents] = Mailbox
    assert fits


def test_everything_comes_out_in_order() -> None:
    mailbox, error = Mailbox(), HeadUnavailableError("CHIM714", "no head answers")
    death = Death("HEAD_1", FIRST, "killed by SIGKILL")
    mailbox.up("HEAD_1", FIRST)
    mailbox.frame("HEAD_1", Message({"is": "idle"}, ()))
    mailbox.down("HEAD_1", death)
    mailbox.broken(error)
    mailbox.stopped()
    assert [mailbox.get(0.0) for _ in range(6)] == [
        Up("HEAD_1", FIRST),
        Said("HEAD_1", {"is": "idle"}),
        death,
        Broken(error),
        Stopped(),
        None,
    ]


def test_a_time_that_is_over_is_no_error() -> None:
    assert Mailbox().get(-1.0) is None


def test_a_signal_handler_wakes_up_who_waits() -> None:
    mailbox = Mailbox()
    before = signal.signal(signal.SIGUSR1, lambda *_: mailbox.stopped())
    press = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
    try:
        press.start()
        assert mailbox.get(30.0) == Stopped()
    finally:
        press.join()
        signal.signal(signal.SIGUSR1, before)
