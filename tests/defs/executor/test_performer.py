"""What is decided before and between steps; the steps themselves run in `test_executor.py`."""

import signal
from types import SimpleNamespace

import pytest

from chimera_pipelines.defs._dagster_internals import create_execution_plan
from chimera_pipelines.defs.executor import performer
from tests.defs.executor import jobs


@pytest.fixture
def half_yielded():
    """A plan in which `both` needs an optional output of `branch`, and that output's handle."""
    plan = create_execution_plan(jobs.half.to_job(name="half"))
    needs = [
        handle
        for step_input in plan.get_step_by_key("half_yielded.both").step_inputs
        for handle in step_input.get_step_output_handle_dependencies()
    ]
    return plan, next(handle for handle in needs if handle.step_key == "half_yielded.branch")


def test_a_step_is_left_out_when_an_earlier_one_did_not_yield_for_it(half_yielded):
    plan, handle = half_yielded
    key, earlier = "half_yielded.both", ["half_yielded.branch"]
    assert not performer._inputs_yielded(plan, key, earlier, set())
    assert performer._inputs_yielded(plan, key, earlier, {handle})


def test_what_steps_before_the_dispatch_yielded_is_dagsters_to_know(half_yielded):
    plan, _ = half_yielded
    assert performer._inputs_yielded(plan, "half_yielded.both", [], set())
    other = ["half_yielded.source"]
    assert performer._inputs_yielded(plan, "half_yielded.both", other, set())


def test_sigterm_means_what_it_meant_before(monkeypatch):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with performer._interrupts():
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "run",
    [
        None,
        SimpleNamespace(is_finished=True, status=None),
        SimpleNamespace(is_finished=False, status=performer.dg.DagsterRunStatus.CANCELING),
    ],
)
def test_a_run_that_is_over_gets_no_step(monkeypatch, run):
    """It may have been cancelled while the dispatch waited for another run's."""
    args = SimpleNamespace(instance_ref="ref", run_id="r")
    monkeypatch.setattr(performer, "deserialize_value", lambda *_: args)
    found = object.__new__(performer.DagsterPerformer)
    instance = SimpleNamespace(get_run_by_id=lambda _: run)
    found._known = SimpleNamespace(instance=lambda *_: instance)
    said = []
    found.perform(SimpleNamespace(payload={"args": "", "home": ""}), said.append)
    assert said == []


def test_a_dispatch_without_an_instance_is_refused(monkeypatch):
    args = SimpleNamespace(instance_ref=None)
    monkeypatch.setattr(performer, "deserialize_value", lambda *_: args)
    found = object.__new__(performer.DagsterPerformer)
    with pytest.raises(performer.dg.DagsterInvariantViolationError):
        found.perform(SimpleNamespace(payload={"args": "", "home": ""}), print)
