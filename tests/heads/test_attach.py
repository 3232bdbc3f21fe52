"""Finding an agent and what is left of others. Agents that serve runs: test_fleet.py."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest

from chimera_pipelines.errors import HeadUnavailableError, UsageError
from chimera_pipelines.heads import attach
from chimera_pipelines.heads.attach import AgentHandle, attach_or_start, start_own, sweep
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.settings import Settings


@pytest.fixture
def handle(tmp_path):
    """One that waits for a report, and the end that reports."""
    reading, writing = os.pipe()
    handle = AgentHandle(tmp_path, own=False, _report=reading)
    yield handle, writing
    handle.close()


def test_folders_of_runs_that_were_killed_go_and_no_others(tmp_path):
    with subprocess.Popen(["true"]) as ended:  # noqa: S607
        pass
    names = {
        "dead": f"own-{ended.pid}-0011aabb",
        "held": f"own-{ended.pid}-2233ccdd",
        "alive": f"own-{os.getpid()}-0011aabb",
        "other": "own-things",
    }
    for name in names.values():
        HeadsDirectory(tmp_path / name).ensure()
    away = tmp_path.parent / "precious"
    away.mkdir(exist_ok=True)
    link = tmp_path / f"own-{ended.pid}-ffffffff"
    link.symlink_to(away)
    lock = HeadsDirectory(tmp_path / names["held"]).lock()
    sweep(tmp_path)
    os.close(lock)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {names["held"], names["alive"], names["other"], link.name}
    assert away.is_dir()


def test_an_agent_that_ends_without_a_word_is_said_so_each_time(handle):
    waiting, writing = handle
    os.close(writing)
    for _ in range(2):
        with pytest.raises(HeadUnavailableError, match="ended before it was ready") as refusal:
            waiting.wait()
        assert refusal.value.code == "CHIM714"


def test_one_that_does_not_come_is_not_waited_for_for_ever(handle):
    waiting, writing = handle
    with pytest.raises(HeadUnavailableError, match=r"not ready after 0\.01 s"):
        waiting.wait(0.01)
    os.close(writing)


def test_who_is_abandoned_waits_no_more(handle):
    waiting, writing = handle
    left = threading.Event()
    threading.Timer(0.05, left.set).start()
    began = time.monotonic()
    with pytest.raises(EOFError):
        waiting.wait(30.0, abandoned=left.is_set)
    assert time.monotonic() - began < 20
    os.close(writing)


def test_without_a_recipe_nothing_takes_its_place(tmp_path):
    with pytest.raises(HeadUnavailableError, match="is gone") as refusal:
        AgentHandle(tmp_path, own=False).replacement()
    assert refusal.value.code == "CHIM714"


def test_nothing_is_started_in_a_folder_that_others_may_enter(tmp_path, monkeypatch):
    monkeypatch.setattr(attach.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    settings = Settings(home=tmp_path)
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads").chmod(0o750)
    with pytest.raises(UsageError, match="others may use it"):
        attach_or_start(settings, performers={}, preload=())
    with pytest.raises(UsageError, match="others may use it"):
        start_own(Recipe(settings, {}))
