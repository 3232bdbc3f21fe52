"""The agent's control socket against clients that are slow, silent, wrong or gone."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chimera_pipelines.errors import UsageError
from chimera_pipelines.heads import control, wire
from chimera_pipelines.heads.control import ControlServer
from chimera_pipelines.heads.frames import FrameWriter, Handshake
from chimera_pipelines.heads.wire import HANDSHAKE_S, Listener, connect

SECRET = bytes(range(32))
LIMIT_S = 30.0


def answer(client, frame):
    match frame["do"]:
        case "watch":
            client.watches = True
        case "refuse":
            raise UsageError("CHIM206", "no head 'X'")
        case "big":
            return {"is": "big", "text": "x" * frame["size"]}
        case "fork":
            raise BlockingIOError(errno.EAGAIN, "no process can be made")
        case "none":
            return None
        case other:
            raise ValueError(other)
    return {"is": "ok"}


class Desk:
    """A control server that turns while a test waits."""

    def __init__(self, folder):
        self.folder = folder
        self.selector = selectors.DefaultSelector()
        listener = Listener("unix:c.sock", directory=folder)
        self.server = ControlServer(listener, SECRET, self.selector, answer)

    def turn(self, seconds=0.01):
        for key, mask in self.selector.select(seconds):
            if self.selector.get_map().get(key.fd) is key:
                key.data(mask)

    def until(self, ready):
        end = time.monotonic() + LIMIT_S
        while not ready():
            assert time.monotonic() < end
            self.turn()

    def during(self, task):
        """What `task` gives, called in a thread while this serves."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(task)
            self.until(future.done)
        return future.exception() or future.result()

    def client(self):
        found = self.during(lambda: connect("unix:c.sock", SECRET, directory=self.folder))
        assert isinstance(found, wire.Connection), found
        return found

    def ask(self, client, **frame):
        def task():
            client.send(frame)
            return client.receive().frame

        return self.during(task)

    def raw(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LIMIT_S)
        sock.connect(str(self.folder / "c.sock"))
        self.turn()
        return sock

    @property
    def clients(self):
        return len(self.server._clients)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.server.close()
    assert not desk.selector.get_map()
    desk.selector.close()


def test_answers_errors_and_nonsense(desk):
    with desk.client() as client:
        assert desk.ask(client, do="watch") == {"is": "ok"}
        assert desk.ask(client, do="refuse")["error"]["code"] == "CHIM206"
        assert desk.ask(client, do="what")["error"]["kind"] == "ValueError"
        assert desk.ask(client, nothing=1)["error"]["kind"] == "KeyError"
    desk.until(lambda: desk.clients == 0)


def test_watchers_alone_are_told(desk):
    with desk.client() as one, desk.client() as other:
        desk.ask(one, do="watch")
        desk.server.tell_watchers({"is": "state"})
        assert desk.during(lambda: one.receive().frame) == {"is": "state"}
        other.settimeout(0.05)
        with pytest.raises(TimeoutError):
            other.receive()


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n" + bytes(100), os.urandom(5000)])
def test_who_says_something_else_is_hung_up_on(desk, said):
    with desk.raw() as sock, desk.client() as good:
        sock.sendall(said)
        desk.until(lambda: desk.clients == 1)
        assert desk.ask(good, do="watch") == {"is": "ok"}


def test_who_does_not_finish_the_handshake_is_hung_up_on(desk):
    with desk.raw() as silent, desk.raw() as slow, desk.client() as good:
        hands = Handshake(SECRET, server=False)
        slow.sendall(hands.feed(slow.recv(38))[:-1])  # all but the last byte
        desk.turn()
        assert desk.clients == 3
        desk.server.sweep(time.monotonic() + HANDSHAKE_S / 2)
        assert desk.clients == 3
        desk.server.sweep(time.monotonic() + HANDSHAKE_S + 1)
        assert desk.clients == 1
        desk.ask(good, do="watch")
        assert silent.recv(100)[:4] == b"CHIW"
        assert silent.recv(100) == b""


def test_a_frame_that_would_be_huge_is_refused_before_it_comes(desk):
    with desk.client() as client:
        data = b"".join(client._writer.encode({"do": "watch"}, [bytes(8 << 20)])[:1])
        client._socket.sendall(data)
        assert desk.clients == 1
        desk.until(lambda: desk.clients == 0)


def test_a_header_without_the_key_makes_nobody_wait_for_it(desk):
    with desk.client() as client:
        client._socket.sendall(FrameWriter(bytes(32)).encode({"do": "watch"}, [bytes(1000)])[0])
        assert desk.clients == 1
        desk.until(lambda: desk.clients == 0)


def test_half_a_frame_costs_nobody_else_anything(desk):
    with desk.client() as client, desk.client() as good:
        whole = b"".join(client._writer.encode({"do": "watch"}))
        client._socket.sendall(whole[:40])
        assert desk.ask(good, do="watch") == {"is": "ok"}
        client._socket.sendall(whole[40:])
        assert desk.during(lambda: client.receive().frame) == {"is": "ok"}


def test_who_reads_nothing_is_hung_up_on(desk):
    with desk.client() as client:
        for _ in range(6):
            client.send({"do": "big", "size": 4 << 20})
        assert desk.clients == 1
        desk.until(lambda: desk.clients == 0)


def test_clients_are_counted(desk, monkeypatch):
    monkeypatch.setattr(control, "MAX_CLIENTS", 2)
    with desk.client(), desk.client(), desk.raw() as third:
        desk.turn()
        assert third.recv(100) == b""
        assert desk.clients == 2
    desk.until(lambda: desk.clients == 0)
    with desk.client() as client:
        assert desk.ask(client, do="watch") == {"is": "ok"}


def test_a_peer_of_another_user_is_refused(desk, monkeypatch):
    me = os.geteuid()
    monkeypatch.setattr(wire.os, "geteuid", lambda: me + 1)
    with desk.raw() as sock:
        desk.turn()
        assert sock.recv(100) == b""
        assert desk.clients == 0


def test_strangers_make_way_for_those_who_come_after_them(desk, monkeypatch):
    monkeypatch.setattr(control, "MAX_CLIENTS", 2)
    with desk.client() as ours, desk.raw() as silent, desk.client() as other:
        assert silent.recv(100)[:4] == b"CHIW"
        assert silent.recv(100) == b""
        assert desk.ask(ours, do="watch") == desk.ask(other, do="watch") == {"is": "ok"}


def test_a_request_for_which_the_machine_has_no_room_is_answered(desk):
    with desk.client() as client:
        assert desk.ask(client, do="fork")["error"]["kind"] == "BlockingIOError"
        assert desk.ask(client, do="watch") == {"is": "ok"}
