from __future__ import annotations

from chimera_pipelines.heads.liveness import HANG_S, Pulse
from chimera_pipelines.heads.proc import ProcessLook

TICK = 0.1


def watched(seconds, process, *, beats=lambda at: False, paused=lambda at: False):
    """The first finding of an agent that looks every tenth of a second, and when."""
    pulse = Pulse(0.0)
    for step in range(int(seconds / TICK)):
        at = step * TICK
        if paused(at):
            continue
        if beats(at):
            pulse.beat(at)
        finding = pulse.judge(at, lambda at=at: process(at))
        if finding is not None:
            return finding, at
    return None


def sleeps(at):
    return ProcessLook("S", 5, 1)


def test_a_head_that_beats_is_left_alone_whatever_it_looks_like():
    for state in "RSDTtZ":
        look = ProcessLook(state, 5, 1)
        assert watched(60, lambda at, look=look: look, beats=lambda at: True) is None


def test_a_stopped_head_is_found_within_a_second():
    for state in "Tt":
        look = ProcessLook(state, 5, 1)
        found, at = watched(5, lambda at, look=look: look)
        assert found.stopped
        assert "SIGSTOP" in found.reason
        assert 0.4 < at < 1.0


def test_a_head_that_computes_with_the_gil_held_is_never_a_hang():
    assert watched(300, lambda at: ProcessLook("R", int(at * 100), 1)) is None
    assert watched(300, lambda at: ProcessLook("R", 5, 1)) is None  # starved by others


def test_a_head_whose_threads_compute_while_main_sleeps_is_never_a_hang():
    assert watched(300, lambda at: ProcessLook("S", int(at * 100), 1)) is None
    assert watched(300, lambda at: ProcessLook("S", int(at * 10), 1)) is None  # starved by others


def test_a_head_that_waits_for_a_disk_is_not_a_hang():
    assert watched(300, lambda at: ProcessLook("D", 5, 1)) is None


def test_a_silent_sleeper_is_a_hang():
    found, at = watched(60, sleeps)
    assert not found.stopped
    assert HANG_S <= at < HANG_S + 1.0


def test_threads_that_ask_a_sleeper_for_the_gil_do_not_compute():
    for ticks in (1, 4):
        found, at = watched(60, lambda at, ticks=ticks: ProcessLook("S", int(at * ticks), 1))
        assert not found.stopped
        assert HANG_S <= at < HANG_S + 1.0


def test_a_beat_in_between_begins_anew():
    assert watched(60, sleeps, beats=lambda at: round(at / TICK) % 50 == 0) is None


def test_a_head_that_was_stopped_for_a_moment_is_left_alone():
    def process(at):
        return ProcessLook("T" if round(at / TICK) % 2 else "S", int(at * 100), 1)

    assert watched(60, process) is None


def test_an_agent_that_was_stopped_itself_looks_twice():
    """Both were stopped and continued: the head is still stopped at the agent's first look."""

    def process(at):
        return ProcessLook("T" if at < 30.05 else "S", int(at * 100), 1)

    found = watched(
        40, process, beats=lambda at: at < 0.1 or at > 30.1, paused=lambda at: 0.1 < at < 29.95
    )
    assert found is None


def test_a_process_that_is_gone_is_for_the_kernel_to_tell():
    assert watched(60, lambda at: None) is None
