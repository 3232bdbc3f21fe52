"""`chimera heads up|down|status|restart` on real heads that import next to nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from chimera_pipelines.cli import warm_heads
from chimera_pipelines.heads import warm
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.frames import VERSION
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import CONTROL, KINDS
from chimera_pipelines.heads.wire import Listener, connect
from tests.heads.agents import ROOT, until
from tests.heads.test_state import state as any_state

TOY = {"toy": "tests.heads.toys:Toy"}
HEADS = list(KINDS)


@pytest.fixture
def light(monkeypatch):
    """What heads are started with; a test may ask for something else."""
    given = {"performers": TOY, "preload": ()}
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(warm_heads, "recipe", lambda settings, **_: Recipe(settings, **given))
    return given


@pytest.fixture
def place(home, light):
    """The heads' folder; whatever agent is there at the end is ended."""
    place = HeadsDirectory(home / "heads")
    yield place
    place.path.exists() and os.chown(place.path, os.geteuid(), -1)
    place.path.exists() and place.path.chmod(0o700)
    holder = place.holder()
    if holder is not None and holder[0] != os.getpid() and _runs(*holder):
        os.kill(holder[0], signal.SIGKILL)
        until("the agent's end", lambda: not _runs(*holder), seconds=10)


@pytest.fixture
def impatient(monkeypatch):
    """Waits that are for other machines' load, cut short."""
    monkeypatch.setitem(warm.status.__kwdefaults__, "timeout_s", 0.5)
    monkeypatch.setitem(warm.up.__kwdefaults__, "timeout_s", 1.0)
    monkeypatch.setattr(warm, "UP_S", 1.0)
    monkeypatch.setattr(warm, "_DOWN_S", 0.5)


def _runs(pid, created):
    found = look(pid)
    return found is not None and found.created == created and found.state != "Z"


def rows(called):
    assert called.code == 0, called.err
    assert called.json["schema"] == "chimera.heads/1"
    return {row["head"]: row for row in called.json["heads"]}


def refusal(called, code, exit_code):
    assert called.code == exit_code, called.err
    assert called.json["error"]["code"] == code
    assert called.json["error"]["hint"]
    return called.json["error"]["message"]


def test_up_twice_finds_the_same_heads_and_down_twice_ends_them_once(chimera, place):
    first = rows(chimera("heads", "up", "--json"))
    assert {row["state"] for row in first.values()} == {"idle"}
    second = rows(chimera("heads", "up", "--json"))
    pids = [row["pid"] for row in first.values()]
    assert [row["pid"] for row in second.values()] == pids
    agent = place.holder()
    down = chimera("heads", "down", "--json")
    assert {row["state"] for row in rows(down).values()} == {"down"}
    assert "ended 4" in down.err
    assert not _runs(*agent)
    assert all(look(pid) is None for pid in pids)
    again = chimera("heads", "down", "--json")
    assert {row["state"] for row in rows(again).values()} == {"down"}
    assert "were down" in again.err
    assert chimera("heads", "down").code == 0


def test_restart_replaces_the_heads_that_are_named(chimera, place):
    before = rows(chimera("heads", "up", "--json"))
    after = rows(chimera("heads", "restart", "HEAD_2", "--json"))
    assert {h for h in HEADS if after[h]["pid"] != before[h]["pid"]} == {"HEAD_2"}
    assert after["HEAD_2"]["incarnation"] == before["HEAD_2"]["incarnation"] + 1
    assert after["HEAD_2"]["state"] == "idle"
    assert look(before["HEAD_2"]["pid"]) is None
    all_new = rows(chimera("heads", "restart", "--json"))
    assert {h for h in HEADS if all_new[h]["pid"] != after[h]["pid"]} == set(HEADS)
    assert "HEAD_9" in refusal(chimera("heads", "restart", "HEAD_9", "--json"), "CHIM206", 2)


def test_restart_of_heads_that_are_down(chimera, place):
    assert "up" in refusal(chimera("heads", "restart", "--json"), "CHIM714", 6)
    assert not place.path.exists()


def test_busy_heads_are_shown_and_ended(chimera, place):
    rows(chimera("heads", "up", "--json"))
    state = place.read()
    address = state.heads["HEAD_3"].address
    with connect(address, state.secret, directory=place.path) as head:
        payload = {"steps": [["k.propagate", "spin", 600]]}
        head.send({"do": "perform", "work": "w", "performer": "toy", "payload": payload})
        head.receive()
        shown = until("a busy head", lambda: _busy(chimera, "HEAD_3"))
        assert shown["step"] == "k.propagate"
        down = chimera("heads", "down", "--json")
        assert {row["state"] for row in rows(down).values()} == {"down"}
        assert "ended 4" in down.err
    assert look(shown["pid"]) is None


def _busy(chimera, head):
    row = rows(chimera("heads", "status", "--json"))[head]
    return row if row["state"] == "busy" else None


def test_what_a_killed_agent_left_is_no_agent(chimera, place):
    before = rows(chimera("heads", "up", "--json"))
    os.kill(place.holder()[0], signal.SIGKILL)
    for row in before.values():
        until("the end of a head", lambda pid=row["pid"]: _ended(pid), seconds=10)
    assert (place.path / "state.json").exists()
    shown = rows(chimera("heads", "status", "--json"))
    assert {row["state"] for row in shown.values()} == {"down"}
    assert [row["incarnation"] for row in shown.values()] == [1, 1, 1, 1]
    assert "were down" in chimera("heads", "down").err
    after = rows(chimera("heads", "up", "--json"))
    assert [row["incarnation"] for row in after.values()] == [2, 2, 2, 2]


def _ended(pid):
    found = look(pid)
    return found is None or found.state == "Z"


@pytest.mark.parametrize("verb", ["up", "down", "status", "restart", "list"])
def test_a_folder_that_others_may_enter_is_refused(chimera, place, verb):
    place.path.mkdir(mode=0o700)
    place.path.chmod(0o750)
    assert "0750" in refusal(chimera("heads", verb, "--json"), "CHIM711", 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_refused(chimera, place):
    place.path.mkdir(mode=0o700)
    os.chown(place.path, 12345, -1)
    for verb in ("up", "down", "status"):
        assert "12345" in refusal(chimera("heads", verb, "--json"), "CHIM711", 2)


def test_an_agent_of_another_version_is_named_and_can_be_ended(chimera, place):
    rows(chimera("heads", "up", "--json"))
    file = place.path / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "protocol": VERSION + 1}))
    for verb in ("up", "status", "restart"):
        message = refusal(chimera("heads", verb, "--json"), "CHIM712", 6)
        assert f"protocol {VERSION + 1}" in message
    agent = place.holder()
    assert chimera("heads", "down").code == 0
    assert not _runs(*agent)


def test_a_state_that_is_none(chimera, place):
    rows(chimera("heads", "up", "--json"))
    (place.path / "state.json").write_text("{}")
    refusal(chimera("heads", "status", "--json"), "CHIM717", 2)
    assert chimera("heads", "down").code == 0
    assert not place.held()


def test_an_agent_that_is_stopped_is_waited_for_and_can_be_ended(chimera, place, impatient):
    chimera("heads", "up")
    until("an agent", place.read)
    agent = place.holder()
    os.kill(agent[0], signal.SIGSTOP)
    assert "does not answer" in refusal(chimera("heads", "status", "--json"), "CHIM714", 6)
    refusal(chimera("heads", "up", "--json"), "CHIM714", 6)
    refusal(chimera("heads", "restart", "--json"), "CHIM714", 6)
    assert chimera("heads", "down").code == 0
    assert not _runs(*agent)


def test_a_lock_without_an_agent_that_answers(chimera, place, impatient):
    """Another program holds the lock, or an agent hangs at its start."""
    place.ensure()
    with (place.path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        called = chimera("heads", "up", "--json")
    assert called.code == 6
    refusal(called, "CHIM714", 6)


def test_two_doors_at_once_make_one_agent(chimera, place):
    code = (
        "import sys; from chimera_pipelines.cli import warm_heads, main\n"
        "from chimera_pipelines.heads.recipe import Recipe\n"
        f"warm_heads.recipe = lambda settings, **_: Recipe(settings, {TOY!r})\n"
        "sys.exit(main.main(['heads', 'up', '--json']))"
    )
    called = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)
    ]
    shown = [json.loads(process.communicate(timeout=90)[0]) for process in called]
    assert [process.returncode for process in called] == [0, 0]
    pids = [[row["pid"] for row in one["heads"]] for one in shown]
    assert pids[0] == pids[1]
    assert None not in pids[0]


def test_heads_with_other_settings(chimera, place, monkeypatch):
    rows(chimera("heads", "up", "--json"))
    monkeypatch.setenv("CHIMERA_GRANT_HOURS", "7")
    assert "other settings" in refusal(chimera("heads", "up", "--json"), "CHIM721", 2)


def test_a_preload_that_fails(chimera, place, light):
    light["preload"] = ("no_such_module",)
    message = refusal(chimera("heads", "up", "--json"), "CHIM718", 6)
    assert "No module named 'no_such_module'" in message
    until("a free folder", lambda: not place.held(), seconds=10)


def test_heads_that_die_at_their_start(chimera, place, light):
    light["performers"] = TOY | {"regeneration": "tests.heads.toys:Stillborn"}
    message = refusal(chimera("heads", "up", "--json"), "CHIM716", 6)
    assert "exit code 9" in message
    shown = rows(chimera("heads", "status", "--json"))
    assert "down" in {row["state"] for row in shown.values()}


def _impostor(place, says):
    """A process that holds the lock and has published itself, and says something else."""
    place.ensure()
    lock = place.lock()
    me = look(os.getpid())
    place.publish(replace(any_state(), pid=os.getpid(), created=me.created))
    listener = Listener(CONTROL, directory=place.path)

    def serve():
        while True:
            try:
                with listener.accept() as sock:
                    sock.sendall(says)
                    time.sleep(0.2)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def end():
        listener.socket.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        os.close(lock)

    return end


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n", "CHIM713"),
        (b"CHIW\x00\x63" + bytes(32), "CHIM712"),
    ],
)
def test_something_else_at_the_agents_socket(chimera, place, impatient, says, code):
    end = _impostor(place, says)
    try:
        refusal(chimera("heads", "status", "--json"), code, 6)
    finally:
        end()
    assert rows(chimera("heads", "status", "--json"))["HEAD_1"]["state"] == "down"
