"""A head without processes: clients are lists, the main thread is this one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.head_server import HeadServer
from chimera_pipelines.heads.local import build_head
from chimera_pipelines.heads.performer import DeviceLostError, HeadContext
from tests.heads.toys import Toy


class Client:
    """A peer that remembers what it was sent."""

    def __init__(self):
        self.frames = []
        self.buffers = []
        self.gone = False

    def send(self, frame, buffers=()):
        if self.gone:
            raise BrokenPipeError
        self.frames.append(dict(frame))
        self.buffers.append([bytes(item) for item in buffers])

    def hang_up(self):
        self.gone = True

    def said(self, *names):
        return [[frame[name] for name in names if name in frame] for frame in self.frames]


class Recording(Toy):
    """A toy that another thread's frames can reach while it works."""

    def call(self, name):
        return CALLS[name]()


CALLS: dict = {}


@pytest.fixture
def beats():
    return []


@pytest.fixture
def head(tmp_path, beats):
    here = HeadContext(
        "HEAD_1",
        "quantum",
        "cpu",
        4,
        "agent",
        Path(tmp_path),
        build_head("HEAD_1", "cpu", memory_bytes=1 << 20, incarnation=4),
    )
    server = HeadServer(here, {"toy": Recording}, beat=lambda now: beats.append(dict(now)))
    yield server
    CALLS.clear()
    server.close()


def ask(head, client, **frame):
    head.receive(client, Message(frame))


def perform(head, client, *steps, work="w1", **more):
    payload = {"steps": [list(step) for step in steps]}
    ask(head, client, do="perform", work=work, performer="toy", payload=payload, **more)


def test_a_work_is_told_step_by_step(head, beats):
    client, watcher = Client(), Client()
    ask(head, watcher, do="watch")
    perform(head, client, ("k.embed", "echo", 1), ("k.measure", "echo", 2))
    head.perform_next()
    assert client.said("is", "key", "value") == [
        ["start", "k.embed"],
        ["end", "k.embed", 1],
        ["start", "k.measure"],
        ["end", "k.measure", 2],
        ["rest"],
    ]
    rest = client.frames[-1]
    assert rest == {
        "is": "rest",
        "work": "w1",
        "failed": None,
        "error": None,
        "interrupted": False,
        "cancelled": False,
        "queued": 0,
        "ends": False,
    }
    assert watcher.said("is") == [["idle"], ["busy"], ["idle"]]
    assert [(b["busy"], b["step"]) for b in beats] == [
        (True, None),
        (True, "k.embed"),
        (True, None),
        (True, "k.measure"),
        (True, None),
        (False, None),
    ]


def test_a_beat_says_how_many_works_wait(head, beats):
    client = Client()
    for work in ("a", "b", "c"):
        perform(head, client, ("x", "echo", None), work=work)
    for _ in range(3):
        head.perform_next()
    assert [b["queued"] for b in beats if b["step"] == "x"] == [2, 1, 0]
    assert beats[-1]["queued"] == 0


def test_a_performer_is_kept_for_the_works_that_follow(head):
    client = Client()
    for work in ("a", "b", "c"):
        perform(head, client, ("x", "count", None), work=work)
        head.perform_next()
    assert [frame["value"] for frame in client.frames if frame["is"] == "end"] == [1, 2, 3]


def test_works_wait_in_their_order_and_only_the_last_makes_it_idle(head):
    one, two, watcher = Client(), Client(), Client()
    perform(head, one, ("x", "echo", 1), work="a")
    perform(head, two, ("x", "echo", 2), work="b")
    ask(head, watcher, do="watch")
    head.perform_next()
    assert one.frames[-1]["queued"] == 1
    assert two.frames == []
    head.perform_next()
    assert two.frames[-1]["queued"] == 0
    assert watcher.said("is") == [["busy"], ["busy"], ["busy"], ["idle"]]


def test_an_error_ends_the_work_and_not_the_head(head):
    client = Client()
    perform(head, client, ("a", "fail", "bad"), ("b", "echo", 1))
    head.perform_next()
    assert client.frames[-1]["failed"] == "a"
    assert client.frames[-1]["error"]["code"] == "MAML505"
    assert client.frames[-1]["error"]["phase"] == "measure"
    perform(head, client, ("a", "crash", "worse"))
    head.perform_next()
    assert client.frames[-1]["error"]["kind"] == "RuntimeError"
    assert "toys.py" in client.frames[-1]["error"]["traceback"]
    perform(head, client, ("a", "echo", 1))
    head.perform_next()
    assert client.frames[-1]["error"] is None


def test_a_lost_device_is_told_and_ends_the_head(head):
    client, watcher = Client(), Client()
    ask(head, watcher, do="watch")
    perform(head, client, ("a", "lose_device", "xid 79"))
    with pytest.raises(DeviceLostError):
        head.perform_next()
    assert client.frames[-1]["error"]["code"] == "CHIM715"
    assert client.frames[-1]["ends"]
    assert watcher.said("is") == [["idle"], ["busy"]]  # it must not be given more


def test_an_unknown_performer_is_said_so(head):
    client = Client()
    payload = {"steps": []}
    ask(head, client, do="perform", work="w", performer="none", payload=payload)
    head.perform_next()
    assert client.frames[-1]["error"]["code"] == "CHIM720"


def test_a_waiting_work_that_is_cancelled_does_not_begin(head):
    client = Client()
    perform(head, client, ("a", "echo", 1), run="r")
    perform(head, client, ("a", "echo", 1), work="w2", run="s")
    ask(head, Client(), do="cancel", work="r")
    head.perform_next()
    head.perform_next()
    assert client.said("is") == [["rest"], ["start"], ["end"], ["rest"]]
    assert [f["cancelled"] for f in client.frames if f["is"] == "rest"] == [True, False]


@pytest.mark.parametrize("name", ["w1", "r"])
def test_a_work_that_is_performed_is_cancelled_by_its_id_or_its_run(head, name):
    client = Client()
    CALLS["cancel"] = lambda: ask(head, Client(), do="cancel", work=name)
    perform(head, client, ("a", "call", "cancel"), ("b", "sleep", 60), run="r")
    head.perform_next()
    assert client.frames[-1]["cancelled"]
    assert client.said("is", "key") == [["start", "a"], ["end", "a"], ["rest"]]


def test_an_interrupt_ends_the_work_alone(head):
    client = Client()
    CALLS["interrupt"] = head.interrupts.handle
    perform(head, client, ("a", "call", "interrupt"), ("b", "echo", 1))
    head.perform_next()
    rest = client.frames[-1]
    assert (rest["is"], rest["failed"], rest["error"]) == ("rest", "a", None)
    assert rest["interrupted"]
    head.interrupts.handle()  # one that comes late finds no work


def test_a_resumed_client_adopts_works_and_gets_each_frame_once(head):
    dead, heir = Client(), Client()
    CALLS["adopt"] = lambda: (dead.hang_up(), head.gone(dead), ask(head, heir, do="adopt", run="r"))
    perform(head, dead, ("a", "echo", 1), ("b", "call", "adopt"), ("c", "echo", 3), run="r")
    perform(head, dead, ("a", "echo", 1), work="w2", run="r")
    perform(head, dead, ("a", "echo", 1), work="w3", run="other")
    head.perform_next()
    adopted = heir.frames[0]
    assert [work["work"] for work in adopted["works"]] == ["w1", "w2"]
    assert adopted["works"][0]["current"] == "b"
    assert [frame["key"] for frame in adopted["works"][0]["ended"]] == ["a"]
    assert adopted["works"][0]["payload"]["steps"][0] == ["a", "echo", 1]
    assert heir.said("is", "key")[1:] == [["end", "b"], ["start", "c"], ["end", "c"], ["rest"]]
    head.perform_next()
    assert heir.frames[-1]["work"] == "w2"


def test_without_its_client_a_work_goes_on_or_is_cancelled_as_it_was_given(head):
    for orphan, steps in (("finish", 2), ("cancel", 1)):
        done = []
        client = Client()
        CALLS["gone"] = lambda client=client: (client.hang_up(), head.gone(client))
        CALLS["done"] = lambda done=done: done.append(1)
        perform(
            head, client, ("a", "call", "gone"), ("b", "call", "done"), orphan=orphan, work=orphan
        )
        head.perform_next()
        assert len(done) == steps - 1


def test_a_watcher_that_is_gone_is_forgotten(head):
    watcher, client = Client(), Client()
    ask(head, watcher, do="watch")
    watcher.gone = True
    perform(head, client, ("a", "echo", 1))
    head.perform_next()
    head.gone(watcher)
    assert client.frames[-1]["is"] == "rest"


def test_status_tells_works_and_registers(head):
    client = Client()
    perform(head, client, ("a", "echo", 1), run="r")
    ask(head, client, do="status")
    status = client.frames[-1]
    assert status["works"] == [{"work": "w1", "run": "r"}]
    assert (status["head"], status["incarnation"], status["busy"]) == ("HEAD_1", 4, False)
    assert (status["registers"], status["register_bytes"]) == (0, 0)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"do": "nothing"},
        {"do": "perform"},
        {"do": "perform", "work": "w", "performer": "toy", "payload": "no"},
        {"do": "perform", "work": "w", "performer": "toy", "payload": {}, "orphan": "x"},
        {"do": "cancel"},
        {"do": "adopt"},
        {"do": "register", "id": 1, "op": "explode"},
    ],
)
def test_a_frame_that_no_client_of_ours_sends_is_an_error(head, frame):
    with pytest.raises((LookupError, TypeError, ValueError)):
        ask(head, Client(), **frame)


def test_frames_of_many_clients_at_once(head):
    clients = [Client() for _ in range(8)]

    def give(client, number):
        for n in range(25):
            perform(head, client, ("a", "echo", n), work=f"{number}.{n}")

    threads = [threading.Thread(target=give, args=(c, i)) for i, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    for _ in range(8 * 25):
        head.perform_next()
    for thread in threads:
        thread.join()
    for client in clients:
        assert [f["value"] for f in client.frames if f["is"] == "end"] == list(range(25))


def test_close_closes_performers(head, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_CLOSED", str(tmp_path / "closed"))
    perform(head, Client(), ("a", "echo", 1))
    head.perform_next()
    head.close()
    assert (tmp_path / "closed").exists()
