"""Real agents and heads. What becomes of heads that die is in test_faults.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.keeper import MOST_FAILURES
from chimera_pipelines.heads.preloading import preload
from chimera_pipelines.heads.proc import look
from tests.heads.agents import ROOT, running, until


@pytest.fixture
def agent(tmp_path):
    with running(tmp_path / "heads") as agent:
        yield agent


def ended(connection):
    """The values of the steps of one work, and its last frame."""
    values = []
    while True:
        frame = connection.receive().frame
        if frame["is"] == "end":
            values.append(frame["value"])
        if frame["is"] == "rest":
            return values, frame


def raw(agent, name="control.sock"):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(agent.folder / name))
    return sock


def start(folder, *more, **options):
    command = [sys.executable, "-m", "chimera_pipelines.heads", str(folder), *more]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_heads_are_started_when_they_are_asked_for(agent):
    assert {agent.entry(f"HEAD_{n}").state for n in (1, 2, 3, 4)} == {"down"}
    first = agent.start("HEAD_3")
    assert first.kind == "ai"
    assert first.incarnation == 1
    assert agent.entry("HEAD_1").pid is None
    assert agent.start("HEAD_3") == first


def test_steps_run_in_the_head_and_frames_tell_of_them(agent):
    entry = agent.start("HEAD_1")
    with agent.work("HEAD_1", ["a", "echo", [1, {"x": None}]], ["b", "fenced", None]) as work:
        values, rest = ended(work)
    assert values == [[1, {"x": None}], False]
    assert rest["error"] is None
    with agent.head("HEAD_1") as head:
        head.send({"do": "status"})
        assert head.receive().frame["pid"] == entry.pid != agent.process.pid


def test_status_of_a_busy_head_comes_from_its_beats(agent):
    agent.start("HEAD_1")
    with agent.work("HEAD_1", ["k.propagate", "hold_gil", 100_000_000]) as work:
        beat = until("busy", lambda: _beat(agent, "k.propagate"))
        assert beat["busy"]
        assert ended(work)[1]["error"] is None


def _beat(agent, step):
    beat = agent.ask("status")["heads"]["HEAD_1"]["beat"]
    return beat if beat["step"] == step else None


def test_a_head_that_holds_the_gil_for_seconds_is_left_alone(agent):
    entry = agent.start("HEAD_1")
    with agent.work("HEAD_1", ["a", "hold_gil", 200_000_000], ["b", "spin", 1.0]) as work:
        assert ended(work)[1]["error"] is None
    assert agent.entry("HEAD_1").pid == entry.pid


def test_a_head_interrupts_its_work_and_goes_on(agent):
    entry = agent.start("HEAD_1")
    with agent.head("HEAD_1") as head:
        payload = {"steps": [["a", "spin", 600]], "interrupt": True}
        head.send({"do": "perform", "work": "w", "performer": "toy", "payload": payload})
        assert head.receive().frame["is"] == "start"
        head.send({"do": "cancel", "work": "w"})
        rest = ended(head)[1]
        assert rest["interrupted"]
        assert rest["cancelled"]
    with agent.work("HEAD_1", ["a", "echo", 1]) as work:
        assert ended(work)[0] == [1]
    assert agent.entry("HEAD_1").pid == entry.pid


def test_garbage_on_its_sockets_ends_only_the_connection(agent):
    entry = agent.start("HEAD_1")
    for name in ("control.sock", f"HEAD_1.{entry.incarnation}.sock"):
        with raw(agent, name) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + os.urandom(4096))
            with suppress(ConnectionResetError):
                while sock.recv(4096):
                    pass
    silent = raw(agent)  # says nothing at all, and is in nobody's way
    with agent.connect() as control:
        control.send({"do": "watch"})
        control.receive()
        control._socket.sendall(os.urandom(300))
        with pytest.raises((EOFError, OSError)):
            control.receive()
    with agent.head("HEAD_1") as head:
        head.send({"do": "nonsense"})
        with pytest.raises((EOFError, OSError)):
            head.receive()
    assert agent.ask("nonsense")["is"] == "error"
    assert agent.ask("start")["is"] == "error"
    assert agent.ask("start", head="HEAD_7")["error"]["code"] == "CHIM206"
    with agent.work("HEAD_1", ["a", "echo", 1]) as work:
        assert ended(work)[0] == [1]
    assert agent.entry("HEAD_1").pid == entry.pid
    silent.close()


def test_clients_that_die_cost_nothing(agent):
    entry = agent.start("HEAD_1")
    work = agent.work("HEAD_1", ["a", "sleep", 0.5], ["b", "echo", 1])
    work.receive()
    work.close()
    for _ in range(20):
        agent.connect().close()
        agent.head("HEAD_1").close()
    with agent.work("HEAD_1", ["a", "count", None]) as second:
        assert ended(second)[0] == [2]  # after the first, which went on to its end
    assert agent.entry("HEAD_1").pid == entry.pid


def test_a_second_agent_in_the_folder_is_refused(agent):
    reading, writing = os.pipe()
    done = start(agent.folder, "--report", str(writing), pass_fds=[writing])
    os.close(writing)
    report = json.loads(os.read(reading, 65536))
    os.close(reading)
    assert report["error"]["code"] == "CHIM710"
    assert done.returncode == 6
    assert agent.ask("status")["is"] == "status"


def test_a_folder_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads").chmod(0o755)
    done = start(tmp_path / "heads")
    assert done.returncode == 2
    assert "CHIM711" in done.stderr


def test_a_killed_agent_takes_its_heads_along_and_its_state_is_no_agent(tmp_path):
    folder = tmp_path / "heads"
    with running(folder) as agent:
        entries = [agent.start(head) for head in ("HEAD_1", "HEAD_4")]
        work = agent.work("HEAD_1", ["a", "hold_gil", 10**10])
        work.receive()
        agent.process.kill()
        for entry in entries:
            until("its end", lambda pid=entry.pid: _ended(pid), seconds=10)
        assert (folder / "state.json").exists()
        assert HeadsDirectory(folder).read() is None
        work.close()
    with running(folder) as heir:  # sweeps what was left, and goes on with the numbers
        assert heir.start("HEAD_1").incarnation == entries[0].incarnation + 1


def _ended(pid):
    found = look(pid)
    return found is None or found.state == "Z"


def test_an_agent_ends_with_its_owner(tmp_path):
    """The owner is killed; agent, heads and folder are gone before long."""
    folder = tmp_path / "own"
    code = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "chimera_pipelines.heads", {str(folder)!r},
                  "--start", "HEAD_1", "--owner", str(os.getpid())])
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as owner:

        def up():
            state = HeadsDirectory(folder).read()
            ready = state is not None and state.heads["HEAD_1"].state == "idle"
            return state if ready else None

        state = until("the head", up)
        owner.kill()
    until("an empty place", lambda: not folder.exists(), seconds=10)
    assert until("the agent's end", lambda: _ended(state.pid), seconds=10)
    assert until("the head's end", lambda: _ended(state.heads["HEAD_1"].pid), seconds=10)


def test_stop_ends_a_busy_head_by_the_deadline(tmp_path):
    with running(tmp_path / "heads") as agent:
        entry = agent.start("HEAD_1")
        stopped = agent.start("HEAD_2")
        work = agent.work("HEAD_1", ["a", "hold_gil", 10**10])
        work.receive()
        os.kill(stopped.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert agent.ask("stop") == {"is": "ok"}
        agent.process.wait(20)
        assert time.monotonic() - began < 15
        assert agent.process.returncode == 0
        assert _ended(entry.pid)
        assert _ended(stopped.pid)
        assert {p.name for p in agent.folder.iterdir()} <= {"lock", "incarnations.json"}
        work.close()


def test_an_idle_head_lets_its_performers_close(tmp_path):
    closed = tmp_path / "closed"
    with running(tmp_path / "heads", env={"TOY_CLOSED": str(closed)}) as agent:
        entry = agent.start("HEAD_1")
        with agent.work("HEAD_1", ["a", "echo", 1]) as work:
            ended(work)
    assert closed.read_text() == str(entry.pid)


def test_a_head_that_dies_at_its_start_stays_down_after_a_few_tries(tmp_path):
    """There is no GPU here, so that no head of one comes to life."""
    folder = tmp_path / "heads"
    with running(folder, more=("--device", "gpu", "--preload", "torch")) as agent:
        assert agent.ask("start", head="HEAD_1") == {"is": "ok"}
        entry = until("a problem", lambda: agent.entry("HEAD_1") if _problem(agent) else None)
        assert entry.incarnation == MOST_FAILURES
        assert entry.state == "down"
        assert "MAML905" in entry.problem
        assert entry.pid is None
        with agent.connect() as control:
            control.send({"do": "watch"})
            heard = [control.receive().frame["state"]["heads"]["HEAD_1"]]
            agent.ask("start", head="HEAD_1")  # who asks again gets it tried again
            while heard[-1]["incarnation"] <= MOST_FAILURES:
                heard.append(control.receive().frame["state"]["heads"]["HEAD_1"])
        # And nobody else: a watcher hears of every change. Of time alone: test_keeper.py.
        assert {one["state"] for one in heard[:-1]} == {"down"}
        assert heard[-1]["incarnation"] == MOST_FAILURES + 1
        assert agent.entry("HEAD_2").incarnation == 0


def _problem(agent):
    return agent.entry("HEAD_1").problem


def test_a_run_worker_outlives_the_agent_and_keeps_nothing_of_it(tmp_path):
    folder, note = tmp_path / "heads", tmp_path / "note"
    with running(folder) as agent:
        frame = {
            "entry": "tests.heads.toys:worker",
            "args": {"path": str(note), "go": str(tmp_path / "go")},
            "env": {"CHIMERA_TOY": "seen"},
            "cwd": str(tmp_path),
            "log": str(tmp_path / "worker.log"),
            "until": time.monotonic() + 60,
        }
        pid = agent.ask("spawn", **frame)["pid"]
        assert agent.ask("status")["workers"] == 1
    assert not HeadsDirectory(folder).held()
    assert not _ended(pid)
    (tmp_path / "go").touch()
    until("the worker's end", lambda: note.exists() and _ended(pid), seconds=20)
    assert json.loads(note.read_text()) == {
        "pid": pid,
        "session": pid,
        "cwd": str(tmp_path),
        "seen": "seen",
        "sockets": [],
    }
    assert (tmp_path / "worker.log").read_text() == "hello\n"


def test_a_run_worker_that_nobody_waits_for_any_more_is_not_started(agent, tmp_path):
    frame = {"entry": "tests.heads.toys:worker", "args": {}, "env": {}, "cwd": str(tmp_path)}
    answer = agent.ask("spawn", **frame, log=None, until=time.monotonic() - 0.1)
    assert answer["error"]["code"] == "CHIM714"
    assert agent.ask("status")["workers"] == 0


def test_what_was_preloaded_is_there_in_every_head(tmp_path):
    with running(tmp_path / "heads", more=("--preload", "sqlite3.dbapi2")) as agent:
        agent.start("HEAD_1")
        names = ["sqlite3.dbapi2", "torch", "qiskit", "dagster", "numpy"]
        with agent.work("HEAD_1", ["a", "modules", names]) as work:
            assert ended(work)[0] == [[True, False, False, False, False]]


def test_a_preload_that_fails_is_said_loudly(tmp_path):
    with pytest.raises(HeadUnavailableError, match="no_such_module") as refused:
        preload(("no_such_module",))
    assert refused.value.code == "CHIM718"
    done = start(tmp_path / "heads", "--preload", "no_such_module")
    assert done.returncode == 6
    assert "CHIM718" in done.stderr
    assert not HeadsDirectory(tmp_path / "heads").held()


def test_watchers_hear_of_every_incarnation(agent):
    with agent.connect() as control:
        control.send({"do": "watch"})
        states = [control.receive().frame["state"]["heads"]["HEAD_2"]["state"]]
        agent.ask("start", head="HEAD_2")
        while states[-1] != "idle":
            states.append(control.receive().frame["state"]["heads"]["HEAD_2"]["state"])
        assert list(dict.fromkeys(states)) in (["down", "starting", "idle"], ["down", "idle"])
        agent.ask("restart", head="HEAD_2", reason="a test")
        entry = {"incarnation": 1}
        while not (entry["incarnation"] == 2 and entry["state"] == "idle"):
            entry = control.receive().frame["state"]["heads"]["HEAD_2"]
        assert entry["before"]["reason"] == "restart: a test"


def test_the_log_and_the_state_tell_no_secret_to_others(agent):
    state = agent.folder / "state.json"
    secret = json.loads(state.read_text())["secret"]
    agent.start("HEAD_1")
    assert state.stat().st_mode & 0o077 == 0
    assert secret not in agent.log.read_text()
    assert secret not in json.dumps(agent.ask("status"))
    assert secret not in Path(f"/proc/{agent.process.pid}/cmdline").read_text()
