"""Heads that die under a run. Marks (`faults.py`) time what no signal from outside can."""

import contextlib
import random
import threading
from collections import Counter

import dagster as dg
import pytest

pytestmark = pytest.mark.xdist_group("crew")

BOTH = pytest.mark.parametrize("executor", ["steps", "chains"])


@contextlib.contextmanager
def killing(world, seed, least_s, most_s):
    """kill -9 of a random quantum head, every so often; gives the list of deaths."""
    stop, dice, killed = threading.Event(), random.Random(seed), []

    def kill():
        while not stop.wait(dice.uniform(least_s, most_s)):
            with contextlib.suppress(ProcessLookupError):
                world.kill(dice.choice(["HEAD_1", "HEAD_2"]))
                killed.append(1)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def _given_up(events, run_id):
    """Steps that failed: on a busy machine a head may die four times before one step has ended."""
    lost = Counter(event.step_key for event in events(run_id, "STEP_UP_FOR_RETRY"))
    failed = {event.step_key for event in events(run_id, "STEP_FAILURE")}
    assert failed == {key for key in failed if lost[key] == 3}  # max_regenerations
    return failed


@BOTH
@pytest.mark.parametrize("job", ["twenty", "assets"])
def test_killed_heads_cost_their_step_one_more_attempt(
    instance, run, killer, events, succeeded, executor, job
):
    murders = killer(2)
    run_id = run(job, executor)
    assert instance.get_run_by_id(run_id).is_success
    assert len(murders.killed) == 2
    assert len(succeeded(run_id)) == 20
    stats = instance.get_run_step_stats(run_id)
    assert {s.step_key for s in stats if s.attempts == 2} == set(murders.killed)
    said = [e.message for e in events(run_id, "ENGINE_EVENT")]
    assert any("killed by SIGKILL" in text for text in said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_heads_killed_at_random(instance, run, events, succeeded, world, seed):
    with killing(world, seed, 0.1, 0.9) as killed:
        run_id = run("twenty")
    assert len(killed) > 5
    assert events(run_id, "STEP_UP_FOR_RETRY")
    failed = _given_up(events, run_id)
    done = succeeded(run_id)
    assert len(done) == 20 if not failed else instance.get_run_by_id(run_id).is_failure


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("phase", ["deserialize", "propagate", "feedback"])
def test_a_head_that_dies_after_the_last_event_of_a_step(
    instance, run, events, succeeded, world, phase, fast
):
    """The event log says SUCCESS, the head dies before it says so: no retry, no second run."""
    mark = world.mark(f"die_after_k1.{phase}")
    if fast:
        world.mark("fast")
    run_id = run("twenty")
    assert instance.get_run_by_id(run_id).is_success
    assert not mark.exists()
    assert len(succeeded(run_id)) == 20
    assert not events(run_id, "STEP_UP_FOR_RETRY")


@pytest.mark.slow
@BOTH
def test_heads_killed_at_random_between_fast_steps(
    instance, run, events, succeeded, world, executor
):
    world.mark("fast")
    with killing(world, 3, 0.1, 0.5):
        for _ in range(2):
            run_id = run("twenty", executor)
            failed = _given_up(events, run_id)
            assert instance.get_run_by_id(run_id).is_success or failed
            assert len(succeeded(run_id)) == 20 or failed


def test_a_step_that_kills_every_head_fails_and_can_be_tried_again(
    instance, run, events, succeeded, world
):
    poison = world.mark("poison_k2.embed")
    run_id = run("twenty")
    assert instance.get_run_by_id(run_id).is_failure
    (failed,) = events(run_id, "STEP_FAILURE")
    assert failed.step_key == "k2.embed"
    assert "CHIM630" in failed.step_failure_data.error.message
    assert len(succeeded(run_id)) == 16
    poison.unlink()
    options = dg.ReexecutionOptions.from_failure(run_id, instance)
    again = run("twenty", reexecution_options=options)
    assert instance.get_run_by_id(again).is_success
    names = ("embed", "propagate", "measure", "feedback")
    assert succeeded(again) == {f"k2.{name}" for name in names}
