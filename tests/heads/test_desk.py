"""Sessions for other heads: made when somebody comes, and never in the way of works."""

from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.heads.desk import FrontDesk
from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.head_server import HeadServer
from chimera_pipelines.heads.local import build_head
from chimera_pipelines.heads.performer import HeadContext
from tests.heads.test_head_server import Client
from tests.heads.toys import Toy


class Echo:
    """A desk that answers at once."""

    made = 0

    def __init__(self, here):
        Echo.made += 1
        self.left = []
        self.closed = False

    def ask(self, peer, message):
        peer.send({"is": "session", "id": message.frame["id"], "value": "hello", "error": None})

    def gone(self, peer):
        self.left.append(peer)

    def close(self):
        self.closed = True


@pytest.fixture
def here(tmp_path):
    Echo.made = 0
    local = build_head("HEAD_3", "cpu", memory_bytes=1 << 20, incarnation=1)
    return HeadContext("HEAD_3", "ai", "cpu", 1, "agent", Path(tmp_path), local)


def test_it_is_made_when_the_first_comes(here):
    desk = FrontDesk(here, Echo)
    client = Client()
    desk.gone(client)
    assert Echo.made == 0
    for number in range(2):
        desk.ask(client, Message({"do": "session", "id": number}))
    assert Echo.made == 1
    assert client.said("id", "value") == [[0, "hello"], [1, "hello"]]
    made = desk._made
    desk.gone(client)
    desk.close()
    assert made.left == [client]
    assert made.closed
    desk.close()


def test_a_head_without_one_says_so(here):
    client = Client()
    FrontDesk(here, None).ask(client, Message({"do": "session", "id": 4}))
    (frame,) = client.frames
    assert (frame["id"], frame["error"]["code"]) == (4, "CHIM720")


def test_a_head_answers_while_it_works(here):
    server = HeadServer(here, {"toy": Toy, "sessions": Echo}, beat=lambda _: None)
    client = Client()
    payload = {"steps": [["a", "echo", 1]]}
    frame = {"do": "perform", "work": "w", "performer": "toy", "payload": payload}
    server.receive(client, Message(frame))
    server.receive(client, Message({"do": "session", "id": 1}))
    assert client.said("is", "value") == [["session", "hello"]], "the work still waits"
    server.perform_next()
    server.gone(client)
    made = server._desk._made
    server.close()
    assert made.left == [client]
    assert made.closed
