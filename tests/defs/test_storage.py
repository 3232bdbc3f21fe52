"""The instance of our dagster.yaml on both databases, PostgreSQL with a server of our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from chimera_pipelines.defs.event_log import PooledSqliteEventLogStorage
from chimera_pipelines.errors import SettingsError
from chimera_pipelines.settings import settings
from tests.postgresql import PASSWORD

ROOT = Path(__file__).resolve().parents[2]


@dg.op
def one(context):
    context.log.info("here")
    return 1


@dg.job
def small():
    one()


@pytest.fixture
def dagster_home(tmp_path, home, monkeypatch):
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(ROOT / "dagster.yaml", folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.delenv("CHIMERA_DAGSTER_URL", raising=False)
    return folder


@pytest.fixture
def url(postgresql_server, dagster_home, monkeypatch):
    found = postgresql_server.create()
    monkeypatch.setenv("CHIMERA_DAGSTER_URL", found)
    settings.cache_clear()
    return found


def kinds(instance, run_id):
    records = instance.get_records_for_run(run_id).records
    return [record.event_log_entry.dagster_event_type for record in records]


def test_without_a_url_it_is_sqlite_where_it_was_before(dagster_home):
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        run = small.execute_in_process(instance=instance)
        assert dg.DagsterEventType.RUN_SUCCESS in kinds(instance, run.run_id)
    for file in ("history/runs.db", f"history/runs/{run.run_id}.db", "schedules/schedules.db"):
        assert (dagster_home / file).exists()


def test_with_a_url_it_is_postgresql_alone(dagster_home, url, postgresql_server):
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        run = small.execute_in_process(instance=instance)
        assert dg.DagsterEventType.RUN_SUCCESS in kinds(instance, run.run_id)
    assert not (dagster_home / "history").exists()
    database = url.rpartition("/")[2]
    assert postgresql_server.sql(database, "SELECT run_id FROM runs") == run.run_id


def test_connections_are_kept(dagster_home, url, postgresql_server):
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        small.execute_in_process(instance=instance)
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() ORDER BY 1"
        database = url.rpartition("/")[2]
        pids = set(postgresql_server.sql(database, query).split())
        small.execute_in_process(instance=instance)
        again = set(postgresql_server.sql(database, query).split())
        assert len(pids & again) >= 2  # what asks is in each of them once, under another number


def test_another_process_opens_the_same_by_reference(dagster_home, url):
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        run = small.execute_in_process(instance=instance)
        reference = dg._core.instance.ref.InstanceRef.to_dict(instance.get_ref())
        assert PASSWORD not in str(reference)
    code = (
        "import sys, dagster as dg\n"
        "with dg.DagsterInstance.get() as found: print(found.get_run_by_id(sys.argv[1]).status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.run_id],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "DagsterRunStatus.SUCCESS"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("mysql://user:secret@host/db", "it is not PostgreSQL"),
        ("nonsense", "parse"),
        ("postgresql://user:secret@127.0.0.1:1/db", "refused"),
    ],
)
def test_a_database_that_cannot_be_used_is_an_error(dagster_home, monkeypatch, given, reason):
    monkeypatch.setenv("CHIMERA_DAGSTER_URL", given)
    settings.cache_clear()
    with pytest.raises(SettingsError) as raised:
        dg.DagsterInstance.from_config(str(dagster_home))
    assert raised.value.code == "CHIM242"
    assert reason in raised.value.message
    assert "secret" not in str(raised.value)
