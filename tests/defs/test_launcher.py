# ruff: noqa: F811
"""Run workers that are started, forked, lost, resumed and terminated; real processes."""

import os
import signal
import time
from collections import Counter

import pytest

from chimera_pipelines.defs._dagster_internals import ResumeRunContext
from chimera_pipelines.defs.launcher import _by_python
from tests.defs.heads_world import (  # noqa: F401 - fixtures
    ended,
    events,
    instance,
    launch,
    succeeded,
    worker,
    world,
)

pytestmark = pytest.mark.xdist_group("launcher")


def until(condition, within_s=30):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("executor", ["steps", "chains"])
@pytest.mark.parametrize("also_a_head", [False, True])
def test_a_killed_run_worker_is_noticed_and_resumed(
    world,
    instance,
    launch,
    events,
    succeeded,
    executor,
    also_a_head,
):
    run_id = launch("twenty", executor)
    until(lambda: len(events(run_id, "STEP_SUCCESS")) >= 5)
    os.kill(worker(instance, run_id), signal.SIGKILL)
    if also_a_head:
        world.kill("HEAD_1")
    time.sleep(0.4)  # the heads go on alone: chained steps end without a run worker
    run = instance.get_run_by_id(run_id)
    assert instance.run_launcher.check_run_worker_health(run).status.value == "FAILED"
    instance.run_launcher.resume_run(ResumeRunContext(run, None))
    assert ended(instance, run_id) == "SUCCESS"
    assert len(succeeded(run_id)) == 20
    if not also_a_head:
        starts = Counter(event.step_key for event in events(run_id, "STEP_START"))
        assert set(starts.values()) == {1}, starts


def test_terminate_cancels_the_run_and_leaves_the_heads_idle(
    world,
    instance,
    launch,
    events,
):
    run_id = launch("two_sleeping")
    until(lambda: len(events(run_id, "STEP_START")) == 2)
    run = instance.get_run_by_id(run_id)
    assert instance.run_launcher.check_run_worker_health(run).status.value == "RUNNING"
    assert instance.run_launcher.terminate(run_id)
    assert ended(instance, run_id) == "CANCELED"
    assert len(world.idle()) == 4
    assert not instance.run_launcher.terminate(run_id)


def test_without_a_run_worker_terminate_still_ends_its_steps(
    world,
    instance,
    launch,
    events,
):
    run_id = launch("two_sleeping")
    until(lambda: len(events(run_id, "STEP_START")) == 2)
    os.kill(worker(instance, run_id), signal.SIGKILL)
    until(lambda: not _lives(worker(instance, run_id)))
    assert not instance.run_launcher.terminate(run_id)
    assert len(world.idle()) == 4


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return False


def test_a_cold_run_worker_needs_no_script_on_the_path():
    found = _by_python(["dagster", "api", "execute_run", "{}"], "/opt/lab/bin/python")
    assert found == ["/opt/lab/bin/python", "-m", "dagster", "api", "execute_run", "{}"]
    assert _by_python(["/usr/bin/env", "x"], "/opt/lab/bin/python") == ["/usr/bin/env", "x"]
