"""Connections between heads, agent and clients over Unix sockets or TCP; frames: `frames.py`.

Addresses are "unix:NAME", a socket in the agent's directory, or "tcp:HOST:PORT". Unix sockets are
bound and connected through /proc/self/fd, because their paths may have 107 bytes only; the peer's
user id must be ours, whoever may reach the folder. TCP is spoken under mutual TLS alone: `tls.py`.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from chimera_pipelines.errors import HeadUnavailableError, SettingsError, UsageError
from chimera_pipelines.heads.frames import (
    HEADER_BYTES,
    Bytes,
    FrameReader,
    FrameWriter,
    Handshake,
    Message,
    WireError,
)
from chimera_pipelines.heads.secure_socket import SecureSocket
from chimera_pipelines.heads.tls import Tls

__all__ = ["Bytes", "Connection", "Listener", "Message", "WireError", "accept", "connect"]

BACKLOG = 64
HANDSHAKE_S = 5.0
_UCRED = struct.Struct("3i")
_MOST_PARTS = 512  # IOV_MAX is 1024
_ONE_RECORD = 1 << 14
# A machine that is gone closes no connection: TCP itself waits a quarter of an hour for what was
# sent, and for ever where nothing was.
GONE_S = 30
_PROBES = 5
_Socket: TypeAlias = socket.socket | SecureSocket


class Connection:
    """Frames to and from one peer. `send` may be called from any thread, `receive` from one."""

    def __init__(self, sock: _Socket, keys: tuple[bytes, bytes]) -> None:
        self._socket = sock
        self._writer = FrameWriter(keys[0])
        self._reader = FrameReader(keys[1])
        self._sending = threading.Lock()

    def send(self, frame: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> None:
        """Send a frame; buffers are not copied.

        Raises:
            OSError: the peer is gone. After any error the connection is of no use.
            ValueError: the frame is no JSON, or too large.
        """
        with self._sending:
            parts = self._writer.encode(frame, buffers)
            _send_all(self._socket, parts)

    def receive(self) -> Message:
        """The next frame; waits for it.

        Raises:
            EOFError: the peer is gone.
            OSError: the connection broke.
            WireError: CHIM713, the frame is not as the peer sent it.
        """
        header = _receive(self._socket, HEADER_BYTES)
        sizes = self._reader.sizes(header)
        return self._reader.decode(header, sizes, _receive(self._socket, sizes.body))

    def settimeout(self, seconds: float | None) -> None:
        """Let `send` and `receive` raise TimeoutError after so long; None waits for ever."""
        self._socket.settimeout(seconds)

    def hang_up(self) -> None:
        """End the connection; a thread that reads it gets EOFError (`close` would not do that)."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket, when no other thread reads it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Listener:
    """A bound, listening socket; `accept` gives sockets that have not shaken hands yet.

    Args:
        address: "unix:NAME" or "tcp:HOST:PORT" (port 0: any; see `address`).
        directory: the agent's folder, where Unix sockets lie.
    """

    def __init__(self, address: str, *, directory: Path) -> None:
        kind, name, port = _parsed(address)
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with _inside(directory, name) as path:
                with suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 - of the name below /proc/self/fd
                self.socket.bind(path)
                os.chmod(path, 0o600)  # noqa: PTH101
            self.address = address
        else:
            self.socket = socket.create_server((name, port), backlog=BACKLOG)
            self.address = f"tcp:{name}:{self.socket.getsockname()[1]}"
        self.socket.listen(BACKLOG)

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self.socket.fileno()

    def accept(self) -> socket.socket:
        """The next connection.

        Raises:
            OSError: there is none, or this is closed.
        """
        return self.socket.accept()[0]

    def close(self) -> None:
        """Stop listening in this process."""
        self.socket.close()


def connect(
    address: str,
    secret: bytes,
    *,
    directory: Path,
    timeout_s: float = HANDSHAKE_S,
    tls: Tls | None = None,
) -> Connection:
    """A connection to an agent or head, hands shaken.

    Raises:
        OSError: nothing listens there (TimeoutError: it does not answer in time).
        EOFError: it hung up.
        WireError: CHIM712 another version; CHIM713 it does not know the secret.
        UsageError: CHIM711, the socket belongs to another user.
        PeerRefusedError: CHIM751 to CHIM755, one side refuses the other's certificate.
        SettingsError: CHIM750, a tcp address without certificates.
    """
    kind, name, port = _parsed(address)
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    until = time.monotonic() + timeout_s
    try:
        sock.settimeout(timeout_s)
        if kind == "unix":
            with _inside(directory, name) as path:
                sock.connect(path)
            check_peer(sock)
        else:
            sock.connect((name, port))
            _tune(sock)
            secured = _secure(sock, tls)
            return _shaken(secured, Handshake(secret, server=False), until)
        return _shaken(sock, Handshake(secret, server=False), until)
    except BaseException:
        sock.close()
        raise


def accept(
    sock: socket.socket,
    secret: bytes,
    *,
    timeout_s: float = HANDSHAKE_S,
    tls: Tls | None = None,
) -> Connection:
    """The server's side of `connect`, on a socket from `Listener.accept`.

    Raises:
        OSError, EOFError, ChimeraError: as `connect`; the socket is closed then.
    """
    until = time.monotonic() + timeout_s
    try:
        sock.settimeout(timeout_s)
        if sock.family == socket.AF_UNIX:
            check_peer(sock)
        else:
            _tune(sock)
            secured = _secure(sock, tls)
            return _shaken(secured, Handshake(secret, server=True), until)
        return _shaken(sock, Handshake(secret, server=True), until)
    except BaseException:
        sock.close()
        raise


def check_peer(sock: socket.socket) -> None:
    """See that the process at the other end of a Unix socket runs as our user.

    Raises:
        UsageError: CHIM711, it does not.
    """
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(raw)
    if uid != os.geteuid():
        raise UsageError(
            "CHIM711",
            f"the other end of the socket belongs to user {uid}, not to {os.geteuid()}",
            hint="run heads and runs as one user, or set CHIMERA_HOME to a folder of your own",
        )


def _tune(sock: socket.socket) -> None:
    """Have small frames leave at once, and a peer noticed that is gone for `GONE_S`."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, GONE_S // _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, GONE_S // _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_S * 1000)


def _secure(sock: socket.socket, tls: Tls | None) -> SecureSocket:
    if tls is None:
        raise SettingsError(
            "CHIM750",
            "heads are called over tcp and no certificates are set",
            hint="set CHIMERA_TLS_CERTIFICATE, CHIMERA_TLS_KEY and CHIMERA_TLS_AUTHORITY",
        )
    return tls.secure(sock)


def _shaken(sock: _Socket, hands: Handshake, until: float) -> Connection:
    """A connection once hands are shaken, which may take until then in all."""
    greeting = hands.begin()
    if greeting:
        sock.sendall(greeting)
    while hands.need:
        answer = hands.feed(bytes(_receive(sock, hands.need, until)))
        if answer:
            sock.sendall(answer)
    sock.settimeout(None)
    return Connection(sock, hands.keys())


def _send_all(sock: _Socket, parts: Sequence[Bytes]) -> None:
    if isinstance(sock, SecureSocket):
        small = sum(memoryview(part).nbytes for part in parts) < _ONE_RECORD
        for part in [b"".join(parts)] if small else parts:
            sock.sendall(part)
        return
    left = [memoryview(part) for part in parts]
    while left:
        sent = sock.sendmsg(left[:_MOST_PARTS])
        while left and sent >= len(left[0]):
            sent -= len(left[0])
            del left[0]
        if left and sent:
            left[0] = left[0][sent:]


def _receive(sock: _Socket, size: int, until: float | None = None) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        if until is not None:
            sock.settimeout(max(0.001, until - time.monotonic()))
        count = sock.recv_into(view[done:])
        if count == 0:
            raise EOFError("the other side hung up")
        done += count
    return data


def _parsed(address: str) -> tuple[str, str, int]:
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest and "/" not in rest:
        return kind, rest, 0
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdecimal():
        return kind, host, int(port)
    raise HeadUnavailableError("CHIM713", f"'{address}' is no address of a head")


@contextmanager
def _inside(directory: Path, name: str) -> Iterator[str]:
    """A short path of a name in a folder."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)
