"""The entry of a forked run worker; whole ones are forked in `test_launcher.py`."""

from contextlib import nullcontext

import pytest

from chimera_pipelines.defs import run_worker
from chimera_pipelines.defs._dagster_internals import ExecuteRunArgs, serialize_value
from chimera_pipelines.settings import settings


@pytest.fixture
def ran(monkeypatch):
    """What was run; signals and search path are left alone."""
    found = []
    monkeypatch.setattr(run_worker, "setup_interrupt_handlers", lambda: None)
    monkeypatch.setattr(run_worker, "spare_search_path", lambda: None)
    monkeypatch.setattr(run_worker, "capture_interrupts", nullcontext)
    monkeypatch.setattr(run_worker, "run_worker_body", found.append)
    return found


def test_it_runs_what_the_arguments_name_under_the_launchers_settings(
    ran, home, monkeypatch, tmp_path, origin
):
    settings()
    monkeypatch.setenv("CHIMERA_HOME", str(tmp_path / "launchers"))
    run_worker.main(serialize_value(ExecuteRunArgs(origin, "r", None)))
    assert [args.run_id for args in ran] == ["r"]
    assert settings().root == tmp_path / "launchers"


@pytest.fixture
def origin():
    from tests.defs.executor.jobs import reconstructable

    return reconstructable("twenty", "in_process").get_python_origin()


def test_other_arguments_are_refused(ran, origin):
    with pytest.raises(TypeError, match="JobPythonOrigin"):
        run_worker.main(serialize_value(origin))
    assert ran == []


def test_the_entry_is_this_function():
    module, _, name = run_worker.ENTRY.partition(":")
    assert (module, name) == (run_worker.__name__, run_worker.main.__name__)
