"""Agents that are forks of the process that they serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chimera_pipelines.heads import forked
from tests.heads.agents import ROOT

# Its own process, since that of the tests has threads and much that must not be shared.
PROGRAM = f"""
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from chimera_pipelines.heads import attach
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.fleet import Fleet
from chimera_pipelines.settings import Settings
from tests.heads.fleets import Notes, give
held = open(sys.argv[2])
started = []
attach.subprocess.Popen = lambda *_, **__: started.append("an interpreter")
settings = Settings(home=Path(sys.argv[1]))
toys = {{"toy": "tests.heads.toys:Toy"}}
with attach.attach_or_start(settings, performers=toys, preload=(), forking=True) as agent:
    agent.wait()
    state = HeadsDirectory(agent.directory).read()
    kept = [os.readlink(link) for link in Path(f"/proc/{{state.pid}}/fd").iterdir()]
    notes = Notes()
    fleet = Fleet(agent, events=notes)
    fleet.require("HEAD_1")
    notes.wait("idle")
    give(fleet, "HEAD_1", "w", ("a", "echo", os.getpid()))
    notes.wait("rest")
    said = notes.of("end")[-1]["value"]
    session = os.getsid(state.pid)
    fleet.close()
    if sys.argv[3] == "dies":
        print(json.dumps(state.pid), flush=True)
        os._exit(0)
here = Path(f"/proc/{{state.pid}}").exists()
print(json.dumps([started, state.pid == session, said == os.getpid(), here, kept, os.getpid()]))
"""


def called(tmp_path: Path, ends: str = "closes") -> object:
    (tmp_path / "held").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "home"), str(tmp_path / "held"), ends],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_it_serves_and_ends_with_its_handle(tmp_path: Path) -> None:
    started, leads, said, here, kept, _ = called(tmp_path)
    assert started == []
    assert leads, "Ctrl-C at the terminal must not reach it"
    assert said
    assert not here
    assert str(tmp_path / "held") not in kept, "what its owner had open"
    assert list((tmp_path / "home" / "heads").iterdir()) == []


def test_it_ends_with_its_owner(tmp_path: Path) -> None:
    from tests.heads.agents import until

    pid = called(tmp_path, "dies")
    until("the end", lambda: not Path(f"/proc/{pid}").exists())
    folder = tmp_path / "home" / "heads"
    until("no folder", lambda: not list(folder.iterdir()))
    assert (Path(f"/proc/{pid}").exists(), list(folder.iterdir())) == (False, [])


def test_a_process_with_threads_is_not_forked() -> None:
    import threading

    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        assert not forked.can_fork()
    finally:
        over.set()
        other.join()


def test_what_does_not_end_in_time_is_said_and_can_be_killed() -> None:
    read, write = os.pipe()
    os.set_inheritable(read, True)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=read)
    os.close(read)
    handle = forked.ForkedAgent(
        forked.offspring.Child(child.pid, os.pidfd_open(child.pid), created=0)
    )
    with pytest.raises(subprocess.TimeoutExpired):
        handle.wait(0.01)
    handle.kill()
    handle.wait(10)
    handle.terminate()
    assert handle.wait() == 0
    os.close(write)
    child.returncode = -9  # it is reaped
