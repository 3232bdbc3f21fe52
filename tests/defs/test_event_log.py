import sqlite3
import time

import dagster as dg

from chimera_pipelines.defs.event_log import PooledSqliteEventLogStorage, under_dagster_home

CONFIG = """
event_log_storage:
  module: chimera_pipelines.defs.event_log
  class: PooledSqliteEventLogStorage
  config: {base_dir: history/runs}
"""


@dg.op
def one(context):
    context.log.info("here")
    return 1


@dg.job
def small():
    one()


def test_relative_folders_lie_under_dagster_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert under_dagster_home("history/runs") == str(tmp_path / "history/runs")
    assert under_dagster_home("/elsewhere") == "/elsewhere"


def test_an_instance_uses_it_and_reads_back_what_a_run_wrote(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(CONFIG)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        result = small.execute_in_process(instance=instance)
        kinds = [r.event_log_entry.dagster_event_type for r in _records(instance, result.run_id)]
    assert dg.DagsterEventType.RUN_SUCCESS in kinds
    assert (tmp_path / "history/runs" / f"{result.run_id}.db").exists()


def test_the_file_that_the_web_ui_watches_is_complete_without_closing(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(CONFIG)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        result = small.execute_in_process(instance=instance)
        wanted = len(_records(instance, result.run_id))
        path = tmp_path / "history/runs" / f"{result.run_id}.db"
        for _ in range(200):
            if _rows_without_log(path) == wanted:
                break
            time.sleep(0.05)
        assert _rows_without_log(path) == wanted


def _records(instance, run_id):
    return instance.get_records_for_run(run_id).records


def _rows_without_log(path):
    """Rows of the main file alone: a copy without its write-ahead log."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    with sqlite3.connect(copy) as connection:
        try:
            return connection.execute("select count(*) from event_logs").fetchone()[0]
        except sqlite3.DatabaseError:
            return None
