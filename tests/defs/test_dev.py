import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chimera_pipelines.defs import dev
from chimera_pipelines.errors import UsageError


def test_the_project_is_found_from_below(tmp_path):
    (tmp_path / "dagster.yaml").write_text("")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    assert dev.project_root(below) == tmp_path


def test_dagster_home_is_the_environments_or_the_projects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(UsageError, match=r"no dagster\.yaml"):
        dev.dagster_home()
    (tmp_path / "dagster.yaml").write_text("")
    assert dev.dagster_home() == tmp_path
    assert os.environ["DAGSTER_HOME"] == str(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    assert dev.dagster_home() == other


def test_the_command_names_the_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "-m" in dev.command("h", 1)[4:]
    (tmp_path / "dagster.yaml").write_text("")
    (tmp_path / "workspace.yaml").write_text("")
    assert dev.command("h", 1)[4:] == ["-w", str(tmp_path / "workspace.yaml"), "-h", "h", "-p", "1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_was_told_to_ignore_signals_still_ends(tmp_path, number):
    """As under `chimera dev &`, where the shell has made us ignore SIGINT."""
    child = textwrap.dedent("""
        import pathlib, signal, sys, time
        pathlib.Path(sys.argv[1]).write_text(str(signal.getsignal(signal.SIGINT)))
        time.sleep(60)
    """)
    script = textwrap.dedent(f"""
        import signal, sys
        from chimera_pipelines.defs import dev
        dev.command = lambda host, port: [sys.executable, "-c", {child!r}, sys.argv[1]]
        sys.exit(dev.serve() != 0)
    """)
    mark = tmp_path / "mark"
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(mark)],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    )
    _wait_for(mark)
    parent.send_signal(number)
    assert parent.wait(30) == 1
    assert "SIG_IGN" not in mark.read_text()


def _wait_for(path: Path) -> None:
    import time

    for _ in range(600):
        if path.exists() and path.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")
