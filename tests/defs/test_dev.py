import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chimera_pipelines.defs import dev
from chimera_pipelines.errors import UsageError
from chimera_pipelines.settings import settings


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
        dev.check_port = lambda *_: None
        dev.command = lambda host, port: [sys.executable, "-c", {child!r}, sys.argv[1]]
        sys.exit(dev.serve() != 0)
    """)
    mark = tmp_path / "mark"
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(mark)],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "CHIMERA_HOME": str(tmp_path)},
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


def test_a_taken_port_is_said_before_dagster_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(dev, "command", lambda *_: pytest.fail("dagster was started"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is in use") as error:
            dev.serve(port=port)
    assert (error.value.code, error.value.exit_code) == ("CHIM611", 2)
    dev.check_port("127.0.0.1", 0)


def test_the_folders_that_documents_go_through_are_made(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("CHIMERA_HOME", str(home))
    monkeypatch.setattr(dev, "command", lambda *_: [sys.executable, "-c", ""])
    settings.cache_clear()
    try:
        assert dev.serve(port=0) == 0
    finally:
        settings.cache_clear()
    assert sorted(path.name for path in home.iterdir()) == ["documents", "inbox", "quarantine"]
