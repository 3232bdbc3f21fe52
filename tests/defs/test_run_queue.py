"""The run queue of our `dagster.yaml`: Dagster's own, looked at twice a second."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.controller import create_daemon_of_type
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from chimera_pipelines.defs.run_queue import INTERVAL_S, PromptRunCoordinator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def instance(tmp_path):
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_our_instance_has_it_with_its_settings(instance):
    coordinator = instance.run_coordinator
    assert isinstance(coordinator, PromptRunCoordinator)
    assert isinstance(coordinator, dg.QueuedRunCoordinator)
    assert coordinator.dequeue_use_threads
    assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 4


def test_the_daemon_looks_at_that_interval(instance):
    daemon = create_daemon_of_type(QueuedRunCoordinatorDaemon.daemon_type(), instance)
    assert daemon.interval_seconds == INTERVAL_S < 0.5
