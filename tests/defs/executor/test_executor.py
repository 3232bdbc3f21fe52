"""Features that an executor must keep, on real heads with a real event log.

Every test ends with `succeeded`: each step that succeeded has exactly one STEP_SUCCESS.
"""

import itertools
import os
import signal
import threading
import time

import dagster as dg
import pytest

from tests.defs.heads_world import CONFIG, ended

BOTH = pytest.mark.parametrize("executor", ["steps", "chains"])


@BOTH
@pytest.mark.parametrize("job", ["twenty", "serial", "assets"])
def test_every_step_runs_once(instance, run, events, succeeded, world, executor, job):
    world.mark("fast")
    run_id = run(job, executor)
    assert instance.get_run_by_id(run_id).is_success
    assert len(succeeded(run_id)) == 20
    assert not events(run_id, "STEP_UP_FOR_RETRY")


def test_a_chain_is_one_dispatch_and_five_steps(run, events, world):
    world.mark("fast")
    run_id = run("twenty")
    assert len(events(run_id, "STEP_WORKER_STARTING")) == 4
    assert len(events(run_id, "STEP_WORKER_STARTED")) == 20
    assert len(events(run_id, "LOGS_CAPTURED")) == 20


def test_kernels_run_side_by_side(instance, run):
    run_id = run("twenty")
    spans = [(s.start_time, s.end_time) for s in instance.get_run_step_stats(run_id)]
    assert any(a[0] < b[0] < a[1] for a in spans for b in spans if a is not b)


@BOTH
def test_retries_skips_pools_and_dynamic_steps(instance, run, succeeded, executor):
    instance.event_log_storage.set_concurrency_slots("licence", 1)
    run_id = run("features", executor)
    assert instance.get_run_by_id(run_id).is_success
    stats = {s.step_key: s for s in instance.get_run_step_stats(run_id)}
    assert stats["retry_and_skip.flaky"].attempts == 2
    assert stats["retry_and_skip.skipped"].status.value == "SKIPPED"
    spans = sorted((s.start_time, s.end_time) for k, s in stats.items() if "pooled[" in k)
    assert len(spans) == 3
    assert all(a[1] <= b[0] + 0.01 for a, b in itertools.pairwise(spans))
    assert instance.event_log_storage.get_concurrency_info("licence").active_slot_count == 0
    succeeded(run_id)


def test_a_failure_stops_the_chain(instance, run, events, succeeded):
    run_id = run("two_failing")
    assert instance.get_run_by_id(run_id).is_failure
    assert [e.step_key for e in events(run_id, "STEP_FAILURE")] == ["failing.boom"]
    assert succeeded(run_id) == {"failing.source"}


def test_a_failed_blocking_check_stops_the_kernels_behind_it(instance, run, succeeded, world):
    world.mark("fast")
    world.mark("forge_b")
    run_id = run("assets")
    assert instance.get_run_by_id(run_id).is_failure
    assert {key.split(".")[0] for key in succeeded(run_id)} == {"doc__a", "doc__b"}


def test_an_interrupt_ends_the_steps(world, events, run, instance, tmp_path, monkeypatch):
    """SIGINT to the run worker, on an instance whose runs are not resumed."""
    (tmp_path / "dagster.yaml").write_text(CONFIG.partition("run_mon")[0])
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    sent = []

    with dg.DagsterInstance.get() as other:

        def interrupt():
            while not sent:
                time.sleep(0.05)
                newest = other.get_runs(limit=1)
                log = other.all_logs(newest[0].run_id) if newest else []
                found = [e.dagster_event for e in log if e.dagster_event]
                if sum(e.event_type_value == "STEP_START" for e in found) == 2:
                    sent.append(time.monotonic())
                    os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        from tests.defs.executor.jobs import reconstructable

        with dg.execute_job(
            reconstructable("two_sleeping"), instance=other, raise_on_error=False
        ) as result:
            run_id = result.run_id
        assert time.monotonic() - sent[0] < 10
        log = [e.dagster_event for e in other.all_logs(run_id) if e.dagster_event]
        assert not other.get_run_by_id(run_id).is_success
        assert sum(e.event_type_value == "STEP_FAILURE" for e in log) == 2
    assert len(world.idle()) == 4


def test_two_runs_share_the_heads(instance, launch, succeeded):
    """Heads tell every run whether they are busy: neither waits behind the other's head."""
    run_ids = [launch("twenty") for _ in range(2)]
    assert [ended(instance, run_id) for run_id in run_ids] == ["SUCCESS", "SUCCESS"]
    for run_id in run_ids:
        assert len(succeeded(run_id)) == 20


def test_other_executors_still_run_the_same_job(instance, run, succeeded, world):
    world.mark("fast")
    run_id = run("twenty", "in_process")
    assert instance.get_run_by_id(run_id).is_success
    assert len(succeeded(run_id)) == 20


def test_a_step_that_no_head_may_run_fails_and_the_others_go_on(instance, run, events, succeeded):
    run_id = run("homeless")
    assert instance.get_run_by_id(run_id).is_failure
    (failed,) = events(run_id, "STEP_FAILURE")
    assert failed.step_key == "nowhere"
    assert "CHIM730" in failed.step_failure_data.error.message
    assert succeeded(run_id) == {"source"}


def test_a_step_beyond_its_time_is_interrupted(instance, run, events, succeeded, world):
    run_id = run("late")
    (failed,) = events(run_id, "STEP_FAILURE")
    assert failed.step_key == "overdue"
    said = [e.message for e in events(run_id, "ENGINE_EVENT")]
    assert any("'overdue' ran longer than its 0.5 s" in text for text in said)
    assert succeeded(run_id) == {"source"}
    assert len(world.idle()) == 4


def test_a_step_that_cannot_be_interrupted_loses_its_head(run, events, world):
    run_id = run("late_and_deaf")
    (failed,) = events(run_id, "STEP_FAILURE")
    assert "CHIM634" in failed.step_failure_data.error.message
    assert not events(run_id, "STEP_UP_FOR_RETRY")
    assert len(world.idle()) == 4


def test_a_pool_without_slots_is_named_and_ends_the_run(instance, run, events, monkeypatch):
    from chimera_pipelines.defs.executor import waits

    monkeypatch.setattr(waits, "POOLS_SECONDS", 0.2)
    instance.event_log_storage.set_concurrency_slots("licence", 0)
    quick = {"execution": {"config": {"pool_seconds": 1.0}}}
    run_id = run("in_a_pool", run_config={**quick})
    assert instance.get_run_by_id(run_id).is_failure
    said = [e.message for e in events(run_id, "ENGINE_EVENT")]
    assert any("pool 'licence', which has none" in text for text in said)
    (failed,) = events(run_id, "PIPELINE_FAILURE")
    assert "CHIM633" in failed.job_failure_data.error.to_string()


def test_a_retry_goes_to_another_head(run, events, instance):
    run_id = run("retried")
    assert instance.get_run_by_id(run_id).is_success
    workers = events(run_id, "STEP_WORKER_STARTED")
    heads = {str(event.engine_event_data.metadata["head"].value) for event in workers}
    assert heads == {"HEAD_1", "HEAD_2"}


def test_a_run_says_for_which_other_run_its_head_works(instance, launch, events, world):
    """It is queued there; it starts as soon as the other run lets go of the head."""
    other = launch("occupied")
    _until(lambda: events(other, "STEP_START"))
    run_id = launch("wanting")
    said = f"waits for a head: HEAD_1 works for run '{other}'"
    _until(lambda: any(said in str(e.message) for e in events(run_id, "ENGINE_EVENT")))
    assert not events(run_id, "STEP_START")
    world.mark("let_go")
    assert [ended(instance, one) for one in (other, run_id)] == ["SUCCESS", "SUCCESS"]


def _until(condition, within_s=20):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
