from __future__ import annotations

import os
import socket
import stat
import threading

import pytest

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError, UsageError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.frames import WireError
from chimera_pipelines.heads.wire import Connection, Listener, accept, connect

SECRET = bytes(range(32))


@pytest.fixture
def folder(tmp_path):
    deep = tmp_path / ("a" * 80) / ("b" * 80)  # longer than the path of a socket may be
    deep.mkdir(parents=True)
    return deep


@pytest.fixture
def served(folder):
    """What the server saw, as soon as it is over: a connection, or an error."""
    listener = Listener("unix:x.sock", directory=folder)
    seen = []

    def serve():
        try:
            seen.append(accept(listener.accept(), SECRET, timeout_s=5))
        except (OSError, EOFError, ChimeraError) as error:
            seen.append(error)

    thread = threading.Thread(target=serve)
    thread.start()

    def result():
        thread.join(10)
        return seen[0]

    yield result
    listener.close()
    if not seen:
        with socket.socket(socket.AF_UNIX) as wake:
            wake.close()


def test_frames_and_buffers_both_ways(folder, served):
    with connect("unix:x.sock", SECRET, directory=folder) as client, served() as server:
        big = os.urandom(3_000_000)
        sender = threading.Thread(target=client.send, args=({"do": "x"}, (b"", big, b"y" * 9)))
        sender.start()
        message = server.receive()
        sender.join()
        assert message.frame == {"do": "x"}
        assert [bytes(item) for item in message.buffers] == [b"", big, b"y" * 9]
        server.send({"is": "y"}, [memoryview(b"abc")] * 1200)
        assert len(client.receive().buffers) == 1200


def test_the_socket_is_for_its_owner_alone(folder, served):
    assert stat.S_IMODE((folder / "x.sock").stat().st_mode) == 0o600
    connect("unix:x.sock", SECRET, directory=folder).close()
    served().close()


def test_who_does_not_know_the_secret_is_refused_on_both_sides(folder, served):
    with pytest.raises((WireError, EOFError, OSError)):
        connect("unix:x.sock", bytes(32), directory=folder)
    assert served().code == "CHIM713"


def test_a_peer_of_another_user_is_refused(folder, served, monkeypatch):
    me = os.geteuid()
    monkeypatch.setattr(wire.os, "geteuid", lambda: me + 1)
    with pytest.raises(UsageError) as refused:
        connect("unix:x.sock", SECRET, directory=folder)
    assert refused.value.code == "CHIM711"
    monkeypatch.undo()
    assert isinstance(served(), EOFError | OSError | ChimeraError)


def test_hang_up_wakes_the_thread_that_reads(folder, served):
    client = connect("unix:x.sock", SECRET, directory=folder)
    server = served()
    ended = []

    def read():
        try:
            client.receive()
        except EOFError:
            ended.append(True)

    thread = threading.Thread(target=read)
    thread.start()
    client.hang_up()
    thread.join(10)
    assert ended == [True]
    with pytest.raises((EOFError, OSError)):
        server.receive()
    for end in (client, server):
        end.close()


def test_many_threads_may_send(folder, served):
    with connect("unix:x.sock", SECRET, directory=folder) as client, served() as server:
        threads = [
            threading.Thread(target=lambda n=n: [client.send({"n": n}) for _ in range(20)])
            for n in range(5)
        ]
        for thread in threads:
            thread.start()
        found = [server.receive().frame["n"] for _ in range(100)]
        for thread in threads:
            thread.join()
        assert sorted(found) == sorted([n for n in range(5) for _ in range(20)])


def test_a_changed_byte_on_the_way_is_refused():
    ours, theirs = socket.socketpair()
    sender = Connection(ours, (SECRET, SECRET))
    receiver = Connection(theirs, (SECRET, SECRET))
    sender.send({"is": "fine"})
    assert receiver.receive().frame == {"is": "fine"}
    ours.sendall(bytes(200))
    with pytest.raises(WireError) as refused:
        receiver.receive()
    assert refused.value.code == "CHIM713"
    for end in (sender, receiver):
        end.close()


def test_nothing_that_listens_is_an_os_error(folder):
    with pytest.raises(OSError, match="No such file"):
        connect("unix:none.sock", SECRET, directory=folder)


def test_a_listener_that_never_answers_is_a_timeout(folder):
    listener = Listener("unix:x.sock", directory=folder)
    with pytest.raises(TimeoutError):
        connect("unix:x.sock", SECRET, directory=folder, timeout_s=0.05)
    listener.close()


@pytest.mark.parametrize("address", ["", "unix:", "unix:../x.sock", "tcp:host", "ftp:a:1"])
def test_what_is_no_address_is_said_so(folder, address):
    with pytest.raises(HeadUnavailableError, match="no address"):
        connect(address, SECRET, directory=folder)
