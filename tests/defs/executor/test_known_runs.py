from types import SimpleNamespace

import dagster as dg
import pytest

from chimera_pipelines.defs._dagster_internals import InMemoryJob, ResolvedRunConfig
from chimera_pipelines.defs.executor import known_runs
from chimera_pipelines.defs.executor.known_runs import KnownRun, KnownRuns
from chimera_pipelines.heads.performer import KEPT_RUNS
from tests.defs.executor import jobs


@pytest.fixture
def loaded(monkeypatch):
    """Ids of runs that were loaded; loading is what takes long."""
    found = []

    def load(run, instance):
        found.append(run.run_id)
        return KnownRun(None, None, None)

    monkeypatch.setattr(known_runs, "_loaded", load)
    return found


def run_of(name):
    return SimpleNamespace(run_id=name, run_config={})


def test_a_run_is_loaded_at_its_first_step_alone(loaded):
    known = KnownRuns()
    first = known.run(run_of("a"), None)
    assert known.run(run_of("a"), None) is first
    assert loaded == ["a"]


def test_runs_that_take_turns_are_kept_and_the_oldest_goes(loaded):
    known = KnownRuns()
    for number in range(KEPT_RUNS):
        known.run(run_of(str(number)), None)
    known.run(run_of("0"), None)  # asked for last
    known.run(run_of("new"), None)
    known.run(run_of("0"), None)
    assert loaded == [*map(str, range(KEPT_RUNS)), "new"]
    known.run(run_of("1"), None)
    assert loaded[-1] == "1"


def known_run(job):
    definition = jobs.build(job, "in_process")
    return KnownRun(InMemoryJob(definition), ResolvedRunConfig.build(definition, {}), None)


def test_a_plan_is_made_once_with_what_dagster_knew_at_the_dispatch():
    found = known_run("twenty")
    first = found.plan_at(run_of("a"), None)
    state = dg.build_op_context().instance  # any object: it is only handed on
    assert found.plan_at(run_of("a"), state).known_state is state
    assert found.plan.step_dict is first.step_dict


def test_a_plan_with_dynamic_steps_is_made_anew(monkeypatch):
    made = []

    def create(*_, **__):
        made.append(1)
        return SimpleNamespace(resolvable_map={"x": 1}, _replace=lambda known_state: known_state)

    monkeypatch.setattr(known_runs, "create_execution_plan", create)
    found = KnownRun(None, None, None)
    assert [found.plan_at(run_of("a"), state) for state in ("one", "two")] == ["one", "two"]
    assert len(made) == 2


def test_an_instance_is_opened_once_for_each_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    known = KnownRuns()
    with dg.instance_for_test(temp_dir=str(tmp_path)) as one:
        ref = one.get_ref()
    found = known.instance(ref, str(tmp_path))
    try:
        assert known.instance(ref, str(tmp_path)) is found
        assert known.instance(ref, str(tmp_path.parent)) is not found
    finally:
        known.close()


def test_a_run_that_does_not_say_where_its_job_is_is_refused():
    run = SimpleNamespace(run_id="r", job_code_origin=None)
    with pytest.raises(dg.DagsterInvariantViolationError, match="'r' does not say"):
        KnownRuns().run(run, None)
