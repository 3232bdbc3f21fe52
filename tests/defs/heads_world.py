"""A warm agent with real heads, an instance with a real event log, and what tests ask of both."""

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from chimera_pipelines.defs.warm import PERFORMERS, PRELOAD
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.attach import heads_directory, start_agent
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import CONTROL
from chimera_pipelines.settings import HEAD_IDS, settings

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
telemetry: {enabled: false}
compute_logs:
  module: chimera_pipelines.defs.logs
  class: DirectComputeLogManager
  config: {base_dir: storage/logs}
event_log_storage:
  module: chimera_pipelines.defs.event_log
  class: PooledSqliteEventLogStorage
  config: {base_dir: history/runs}
run_launcher:
  module: chimera_pipelines.defs.launcher
  class: LocalProcessRunLauncher
  config: {log_dir: logs/workers}
run_monitoring: {enabled: true, max_resume_run_attempts: 3}
"""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SLEEP_S = "0.25"


class World:
    """The warm heads of one test module, and its Dagster instance."""

    def __init__(self, home: Path):
        self.home = home
        self.marks = home / "marks"

    def heads(self):
        """What the agent publishes of its heads."""
        return HeadsDirectory(heads_directory(settings())).read().heads

    def kill(self, head):
        """kill -9 of whatever process the head has now."""
        entry = self.heads()[head]
        if entry.pid is not None:
            os.kill(entry.pid, signal.SIGKILL)

    def idle(self, within_s=5.0):
        """Heads that do nothing, once all do nothing or time is up."""
        deadline = time.monotonic() + within_s
        while True:
            beats = {head: told["beat"] or {} for head, told in self._ask()["heads"].items()}
            found = [head for head, beat in beats.items() if beat.get("busy") is False]
            if len(found) == len(HEAD_IDS) or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _ask(self):
        directory = HeadsDirectory(heads_directory(settings()))
        secret = directory.read().secret
        with wire.connect(CONTROL, secret, directory=directory.path) as connection:
            connection.send({"do": "status"})
            return connection.receive().frame

    def mark(self, name):
        (self.marks / name).touch()
        return self.marks / name


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("world")
    (home / "dagster.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIMERA_HOME", str(home / "chimera"))
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("EXECUTOR_TEST_MARKS", str(home / "marks"))
        patch.setenv("EXECUTOR_TEST_SLEEP", SLEEP_S)
        patch.setenv("PYTHONPATH", str(ROOT))
        settings.cache_clear()
        preload = (*PRELOAD, "tests.defs.executor.faults")
        recipe = Recipe(settings(), dict(PERFORMERS), preload, HEAD_IDS)
        agent = start_agent(recipe, heads_directory(settings()))
        try:
            agent.wait()
            yield World(home)
        finally:
            agent._process.terminate()
            agent._process.wait(10)
            settings.cache_clear()


@pytest.fixture
def instance(world):
    shutil.rmtree(world.marks, ignore_errors=True)
    world.marks.mkdir()
    with dg.DagsterInstance.get() as found:
        yield found


@pytest.fixture
def run(instance):
    """Run a job in this process, as its run worker; the run's id."""

    def start(job, executor="chains", **options):
        from tests.defs.executor.jobs import reconstructable

        with dg.execute_job(
            reconstructable(job, executor),
            instance=instance,
            run_config=options.pop("run_config", QUIET),
            raise_on_error=False,
            **options,
        ) as result:
            return result.run_id

    return start


@pytest.fixture
def events(instance):
    """The Dagster events of a run, of these types or all."""

    def find(run_id, *kinds):
        found = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
        return [event for event in found if not kinds or event.event_type_value in kinds]

    return find


@pytest.fixture
def succeeded(events):
    """Steps that succeeded, each exactly once: nothing was lost and nothing was done twice."""

    def find(run_id):
        done = Counter(event.step_key for event in events(run_id, "STEP_SUCCESS"))
        assert done
        assert set(done.values()) == {1}, done
        return set(done)

    return find


class Killer(threading.Thread):
    """kill -9 of the head of each of `times` running steps of the newest run."""

    def __init__(self, instance, events, times, wanted="propagate"):
        super().__init__(daemon=True)
        self.instance, self.events, self.wanted = instance, events, wanted
        self.left, self.killed = times, []
        self.earlier = {run.run_id for run in instance.get_runs()}
        self.start()

    def run(self):
        while self.left:
            time.sleep(0.02)
            fresh = [r.run_id for r in self.instance.get_runs() if r.run_id not in self.earlier]
            for run_id in fresh[:1]:
                log = self.events(run_id, "STEP_START", "STEP_SUCCESS")
                running = {e.step_key for e in log if e.event_type_value == "STEP_START"}
                running -= {e.step_key for e in log if e.event_type_value == "STEP_SUCCESS"}
                running -= set(self.killed)
                for key in sorted(k for k in running if self.wanted in k)[:1]:
                    self._kill(run_id, key)

    def _kill(self, run_id, key):
        workers = self.events(run_id, "STEP_WORKER_STARTED")
        data = [event for event in workers if event.step_key == key][-1].engine_event_data
        os.kill(int(data.metadata["pid"].value), signal.SIGKILL)
        self.killed.append(key)
        self.left -= 1


@pytest.fixture
def killer(instance, events):
    return lambda times: Killer(instance, events, times)


@pytest.fixture
def launch(instance):
    """Launch a job through the run launcher; the run's id."""

    def start(job, executor="chains"):
        from chimera_pipelines.defs._dagster_internals import LaunchRunContext
        from tests.defs.executor.jobs import reconstructable

        target = reconstructable(job, executor)
        created = instance.create_run_for_job(
            target.get_definition(), job_code_origin=target.get_python_origin(), run_config=QUIET
        )
        instance.run_launcher.launch_run(LaunchRunContext(created, None))
        return created.run_id

    return start


def worker(instance, run_id):
    """Process id of a run's worker."""
    from chimera_pipelines.defs.launcher import WORKER_TAG

    return json.loads(instance.get_run_by_id(run_id).tags[WORKER_TAG])["pid"]


def ended(instance, run_id, within_s=30):
    """The status of a run once it has finished, or when time is up."""
    deadline = time.monotonic() + within_s
    while not instance.get_run_by_id(run_id).is_finished and time.monotonic() < deadline:
        time.sleep(0.05)
    return instance.get_run_by_id(run_id).status.value
