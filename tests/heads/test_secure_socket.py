from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from chimera_pipelines.heads.secure_socket import SecureSocket
from chimera_pipelines.heads.tls import Tls
from tests.heads.certified import GATEWAY, authority, files


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[SecureSocket, SecureSocket]]:
    folder = authority(tmp_path / "tls", "node-a")
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(30)
    server: list[SecureSocket] = []
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    thread = Thread(target=lambda: server.append(head.secure(theirs)))
    thread.start()
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1").secure(ours)
    thread.join(30)
    yield client, server[0]
    client.close()
    server[0].close()


def _exactly(end: SecureSocket, size: int) -> bytes:
    buffer = bytearray(size)
    view = memoryview(buffer)
    at = 0
    while at < size:
        count = end.recv_into(view[at:])
        assert count, f"the connection ended after {at} of {size} bytes"
        at += count
    return bytes(buffer)


def test_threads_write_while_others_read_and_nothing_mixes(
    pair: tuple[SecureSocket, SecureSocket],
) -> None:
    """Both ends send 24 messages of 1 MiB from three threads each, and read at the same time."""
    size, each = 1 << 20, 8
    found: dict[int, list[bytes]] = {0: [], 1: []}

    def write(end: SecureSocket, letter: int) -> None:
        for _ in range(each):
            end.sendall(bytes([letter]) * size)

    def read(which: int) -> None:
        for _ in range(3 * each):
            found[which].append(_exactly(pair[which], size))

    threads = [Thread(target=read, args=(which,)) for which in (0, 1)]
    threads += [Thread(target=write, args=(end, letter)) for end in pair for letter in (65, 66, 67)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for messages in found.values():
        assert [len(set(message)) for message in messages] == [1] * (3 * each)
        assert sorted(message[0] for message in messages) == sorted([65, 66, 67] * each)


def test_shutdown_wakes_a_reader_of_the_same_end(pair: tuple[SecureSocket, SecureSocket]) -> None:
    client, _ = pair
    got: list[bytes] = []
    thread = Thread(target=lambda: got.append(client.recv(10)))
    thread.start()
    client.shutdown(socket.SHUT_RDWR)
    thread.join(30)
    assert got == [b""]


def test_the_end_of_the_other_side_reads_as_nothing(
    pair: tuple[SecureSocket, SecureSocket],
) -> None:
    client, server = pair
    server.sendall(b"last")
    server.shutdown(socket.SHUT_RDWR)
    assert _exactly(client, 4) == b"last"
    assert client.recv(1) == b""


def test_nothing_of_the_message_is_on_the_line(tmp_path: Path) -> None:
    folder = authority(tmp_path / "tls", "node-a")
    ours, middle_a = socket.socketpair()
    middle_b, theirs = socket.socketpair()
    for end in (ours, theirs, middle_a, middle_b):
        end.settimeout(30)
    line = bytearray()

    def carry(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(1 << 16):
            line.extend(data)
            target.sendall(data)

    pumps = [
        Thread(target=carry, args=ends, daemon=True)
        for ends in ((middle_a, middle_b), (middle_b, middle_a))
    ]
    server: list[SecureSocket] = []
    head = Tls.of_head(files(folder, "node-a"), GATEWAY)
    accepting = Thread(target=lambda: server.append(head.secure(theirs)))
    for thread in (*pumps, accepting):
        thread.start()
    client = Tls.of_client(files(folder, "client"), GATEWAY, "HEAD_1").secure(ours)
    accepting.join(30)
    client.sendall(b"the secret of the state file")
    assert _exactly(server[0], 28) == b"the secret of the state file"
    for end in (client, server[0]):
        end.shutdown(socket.SHUT_RDWR)
        end.close()
    for pump in pumps:
        pump.join(30)
    assert b"secret" not in line
    for end in (middle_a, middle_b):
        end.close()
