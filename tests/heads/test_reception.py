"""A head's socket with strangers at it."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from chimera_pipelines.heads import reception, wire
from chimera_pipelines.heads.reception import Reception
from tests.heads.agents import until

SECRET = bytes(range(32))
NAME = "unix:h.sock"


class Server:
    """Echoes frames; counts who has left."""

    here = SimpleNamespace(id="HEAD_1")

    def __init__(self):
        self.left = 0

    def receive(self, connection, message):
        match message.frame:
            case {"do": "crash"}:
                raise RuntimeError("a fault of ours")
            case {"do": "nonsense"}:
                raise ValueError("no such frame")
        connection.send(message.frame)

    def gone(self, _):
        self.left += 1


@pytest.fixture
def server(tmp_path):
    """A server whose reception accepts until the test ends."""
    server, listener = Server(), wire.Listener(NAME, directory=tmp_path)
    desk = Reception(server, SECRET, None)
    closing = threading.Event()

    def accept():
        while not closing.is_set():
            desk.take(listener.accept())

    thread = threading.Thread(target=accept)
    thread.start()
    yield server
    closing.set()
    with stranger(tmp_path):
        thread.join(10)
    listener.close()
    assert not thread.is_alive()


def client(folder):
    found = wire.connect(NAME, SECRET, directory=folder)
    found.settimeout(10.0)
    return found


def stranger(folder):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10.0)
    sock.connect(str(folder / "h.sock"))
    return sock


def test_strangers_who_hold_places_keep_nobody_out(server, tmp_path, monkeypatch):
    monkeypatch.setattr(reception, "MAX_STRANGERS", 3)
    strangers = [stranger(tmp_path) for _ in range(5)]
    try:
        with client(tmp_path) as ours:
            ours.send({"hello": 1})
            assert ours.receive().frame == {"hello": 1}
            for early in strangers[:2]:  # cut off, before or after they were greeted
                with early.makefile("rb") as told:
                    assert told.read()[:4] in {b"CHIW", b""}
            ours.send({"hello": 2})
            assert ours.receive().frame == {"hello": 2}
    finally:
        for sock in strangers:
            sock.close()


def test_clients_are_counted_and_make_room_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(reception, "MAX_CLIENTS", 1)
    desk = Reception(server, SECRET, None)
    pairs = [socket.socketpair() for _ in range(3)]
    found = []

    def shake(sock):
        try:
            hands = wire.Handshake(SECRET, server=False)
            connection = wire._shaken(sock, hands, time.monotonic() + 10)
            connection.settimeout(10.0)
            connection.send({"hello": 1})
            found.append(connection.receive().frame)
        except (OSError, EOFError):
            found.append(None)

    for ours, theirs in pairs[:2]:
        desk.take(theirs)
        shake(ours)
    assert found == [{"hello": 1}, None]
    pairs[0][0].close()
    until("room", lambda: server.left == 1, seconds=10)
    until("the place", lambda: desk._clients._value == 1, seconds=10)
    desk.take(pairs[2][1])
    shake(pairs[2][0])
    assert found[2] == {"hello": 1}
    for ours, _ in pairs[1:]:
        ours.close()


@pytest.mark.parametrize("what", ["crash", "nonsense"])
def test_a_client_that_makes_it_fail_is_hung_up_on_alone(server, tmp_path, what):
    with client(tmp_path) as good, client(tmp_path) as bad:
        bad.send({"do": what})
        with pytest.raises(EOFError):
            bad.receive()
        until("its end", lambda: server.left == 1, seconds=10)
        good.send({"hello": 1})
        assert good.receive().frame == {"hello": 1}
