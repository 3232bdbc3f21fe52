"""The rules of a step's life, without heads, Dagster's loop or an event log."""

from types import SimpleNamespace

import dagster as dg
import pytest

from chimera_pipelines.defs._dagster_internals import (
    EngineEventData,
    SerializableErrorInfo,
    StepRetryData,
    create_execution_plan,
)
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.defs.executor.options import Options
from chimera_pipelines.defs.executor.steps import Steps
from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.scheduling.attempt import MAX_FAULTS
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.settings import HEAD_IDS
from tests.defs.executor import jobs

CHAIN = [f"k0.{name}" for name in jobs.PHASES]


class Log:
    """Remembers what was written; `ended` are steps whose end is in the event log."""

    def __init__(self):
        self.retried, self.failures, self.ended = [], [], set()

    def up_for_retry(self, key, error):
        self.retried.append(key)

    def failed(self, key, error):
        self.failures.append((key, error.code))

    def has_ended(self, key):
        return key in self.ended


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def steps(log):
    plan = create_execution_plan(jobs.build("twenty", "in_process"))
    queue = Dispatching(Router(), HEAD_IDS)
    return Steps(plan, log, queue, Options(max_regenerations=2))


def asked(key):
    return SimpleNamespace(step_keys_to_execute=[key], run_id="r")


def running(steps, key="k0.deserialize", head="HEAD_1"):
    """Launch a step and have its dispatch on a head."""
    steps.launched(asked(key))
    (work,) = steps.queue.waiting
    steps.assign(work, head)
    work.sent = True
    return work


def test_the_phases_of_a_dispatch_are_ahead_of_dagster(steps):
    work = running(steps)
    assert work.keys == CHAIN
    assert steps.ahead == set(CHAIN[1:])
    steps.launched(asked("k0.embed"))
    assert "k0.embed" not in steps.ahead
    assert steps.queue.waiting == []


def test_a_step_that_runs_is_up_for_retry_when_its_head_dies(steps, log):
    running(steps)
    steps.started("HEAD_1", "k0.deserialize")
    steps.died("HEAD_1", "killed")
    assert log.retried == ["k0.deserialize"]
    assert steps.ahead == set()
    assert steps.healthy(asked("k0.deserialize"))  # until Dagster has read of it


def test_a_step_ahead_that_ran_is_retried_once_dagster_launches_it(steps, log):
    running(steps)
    steps.started("HEAD_1", "k0.deserialize")
    steps.ended("HEAD_1", "k0.deserialize")
    steps.started("HEAD_1", "k0.embed")
    steps.died("HEAD_1", "killed")
    assert log.retried == []
    steps.launched(asked("k0.embed"))
    assert log.retried == ["k0.embed"]


def test_a_step_whose_end_is_in_the_log_is_never_run_again(steps, log):
    running(steps)
    steps.started("HEAD_1", "k0.deserialize")
    log.ended.add("k0.deserialize")
    steps.died("HEAD_1", "killed")
    assert (log.retried, log.failures, steps.queue.waiting) == ([], [], [])


def test_what_had_not_started_goes_to_the_front_of_our_own_queue(steps, log):
    running(steps)
    steps.died("HEAD_1", "killed")
    (work,) = steps.queue.waiting
    assert (work.keys, work.first, log.retried) == (CHAIN, True, [])


def test_what_was_never_sent_loses_nothing(steps, log):
    work = running(steps)
    work.sent = False
    steps.died("HEAD_1", "killed")
    assert steps.queue.waiting == [work]
    assert steps.ahead == set()


def test_a_step_that_kills_every_head_fails(steps, log):
    for _ in range(3):
        running(steps)
        steps.started("HEAD_1", "k0.deserialize")
        steps.died("HEAD_1", "killed")
    assert log.retried == ["k0.deserialize"] * 2
    assert log.failures == [("k0.deserialize", "CHIM630")]


def test_a_dispatch_that_ran_nothing_counts_as_a_death(steps, log):
    for _ in range(3):
        running(steps)
        steps.rested("HEAD_1", None, None)
    assert log.retried == ["k0.deserialize"] * 2
    assert log.failures == [("k0.deserialize", "CHIM637")]


def test_an_error_of_the_head_fails_the_step_that_it_names(steps, log):
    running(steps)
    error = HeadUnavailableError("CHIM635", "no")
    steps.rested("HEAD_1", "k0.deserialize", error)
    assert log.failures == [("k0.deserialize", "CHIM635")]
    assert steps.ahead == set()


def test_a_chain_that_stopped_early_gives_back_what_dagster_had_launched(steps, log):
    running(steps)
    steps.started("HEAD_1", "k0.deserialize")
    steps.ended("HEAD_1", "k0.deserialize")
    steps.launched(asked("k0.embed"))
    steps.rested("HEAD_1", None, None)
    (work,) = steps.queue.waiting
    assert work.keys == CHAIN[1:]


def test_an_adopted_dispatch_is_ahead_until_dagster_asks_for_its_steps(steps):
    steps.adopted("HEAD_1", "w", {"keys": CHAIN}, done={"k0.deserialize"})
    assert steps.ahead == set(CHAIN[1:])
    assert steps.healthy(asked("k0.embed"))
    assert steps.ahead == set(CHAIN[2:])
    assert not steps.healthy(asked("k1.embed"))


def test_an_adopted_dispatch_of_which_all_has_ended_is_none(steps):
    steps.adopted("HEAD_1", "w", {"keys": CHAIN}, done=set(CHAIN))
    assert steps.queue.running == {}


def test_a_step_that_no_head_will_run_fails(steps, log):
    steps.launched(asked("k0.deserialize"))
    steps.nowhere(steps.queue.waiting[0], HeadUnavailableError("CHIM730", "no"))
    assert (steps.queue.waiting, log.failures) == ([], [("k0.deserialize", "CHIM730")])


def failing(steps, error):
    """Dagster reads that HEAD_1 had the step, and that it is up for retry."""
    data = StepRetryData(error=error, seconds_to_wait=None)
    shown = EngineEventData(metadata={"head": dg.MetadataValue.text("HEAD_1")})
    kinds = dg.DagsterEventType
    steps.saw(
        [
            event(kinds.STEP_WORKER_STARTED, shown),
            event(kinds.STEP_UP_FOR_RETRY, data),
        ]
    )


def event(kind, data):
    return dg.DagsterEvent(
        kind.value, "twenty", step_key="k0.embed", event_specific_data=data, message=""
    )


@pytest.mark.parametrize(
    ("code", "heads"), [("ValueError", ["HEAD_1"]), ("CHIM630", []), ("CHIM637", [])]
)
def test_a_failed_attempt_counts_against_its_head_and_a_death_does_not(
    steps, monkeypatch, code, heads
):
    against = []
    monkeypatch.setattr(steps.queue, "failed", lambda _, head: against.append(head))
    failing(steps, SerializableErrorInfo("", [], code))
    assert against == heads


def test_deaths_that_no_step_brings_about_count_apart(steps, log):
    for _ in range(MAX_FAULTS):
        running(steps)
        steps.started("HEAD_1", "k0.deserialize")
        steps.died("HEAD_1", "stopped (SIGSTOP)", from_outside=True)
    assert (len(log.retried), log.failures) == (MAX_FAULTS, [])
    running(steps)
    steps.started("HEAD_1", "k0.deserialize")
    steps.died("HEAD_1", "stopped (SIGSTOP)", from_outside=True)
    assert log.failures == [("k0.deserialize", "CHIM630")]
