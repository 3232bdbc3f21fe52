"""A TLS connection over a socket that one thread reads while others write.

`ssl.SSLSocket` is not made for that: OpenSSL's object may not be entered by two threads, and
Python 3.11 does not keep them apart. Here TLS works in memory under a lock that nobody holds while
waiting, and the socket is read and written outside of it. A second lock keeps records in the order
in which they were encrypted.

After its own checks each server sends one byte. Under TLS 1.3 a client's handshake ends before the
server has looked at the client's certificate, so without that byte a refusal would surface in
whatever the client does next.
"""

from __future__ import annotations

import socket
import ssl
import time
from threading import Lock
from typing import Any

ACCEPTED = b"\x06"
_RECORD = 1 << 18
_RECEIVE = 1 << 18
_ALERT, _HANDSHAKE = 0x15, 0x16


class PlaintextError(ConnectionError):
    """What the peer sends first is no TLS."""


class SecureSocket:
    """What a `socket.socket` offers to the wire, encrypted.

    Args:
        raw: a connected stream socket; its timeout, in seconds, bounds each wait. Owned from now.
        context: trust and certificate of this side.
        server_side: whether the peer has connected to us.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, *, server_side: bool) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._state = Lock()
        self._writing = Lock()

    def shake_hands(self) -> None:
        """The TLS handshake, within the socket's timeout in all.

        A refusal is told to the peer before it is raised.

        Raises:
            PlaintextError: the peer speaks something else.
            OSError: the connection failed, or the peer hung up; `TimeoutError` when it is silent.
            ssl.SSLError: a side refuses the other's certificate.
        """
        first, patience_s = True, self._raw.gettimeout()
        until = None if patience_s is None else time.monotonic() + patience_s
        while not self._step():
            if until is not None:
                self._raw.settimeout(max(0.001, until - time.monotonic()))
            data = self._raw.recv(_RECEIVE)
            if first and data and data[0] not in (_ALERT, _HANDSHAKE):
                raise PlaintextError("the peer does not speak tls")
            if not data:
                raise ConnectionError("the peer hung up during the tls handshake")
            first = False
            self._incoming.write(data)
        self._raw.settimeout(patience_s)

    def _step(self) -> bool:
        """Go on with the handshake; true when it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def identities(self) -> frozenset[str]:
        """The URIs in the peer's certificate, which the handshake has verified."""
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        return frozenset(value for kind, value in names if kind == "URI")

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; calls of several threads do not mix."""
        view = memoryview(data).cast("B")
        with self._writing:
            for at in range(0, len(view), _RECORD):
                with self._state:
                    self._tls.write(view[at : at + _RECORD])
                    encrypted = self._outgoing.read()
                self._raw.sendall(encrypted)

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0) -> int:
        """Read up to `nbytes` bytes, or as many as `buffer` holds; 0 at the connection's end.

        One thread at a time may read.
        """
        view = memoryview(buffer).cast("B")
        view = view[:nbytes] if nbytes else view
        while True:
            try:
                with self._state:
                    return int(self._tls.read(len(view), view))
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return 0
            if self._outgoing.pending:
                self._flush()
            data = self._raw.recv(_RECEIVE)
            with self._state:
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def recv(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the connection's end."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def settimeout(self, seconds: float | None) -> None:
        """Longest wait of one operation, in seconds; None waits without end."""
        self._raw.settimeout(seconds)

    def fileno(self) -> int:
        """The socket's descriptor; bytes may wait in memory while it has nothing to read."""
        return self._raw.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection from any thread; a reader wakes with nothing."""
        self._raw.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._raw.close()

    def _flush(self) -> None:
        with self._writing:
            with self._state:
                encrypted = self._outgoing.read()
            if encrypted:
                self._raw.sendall(encrypted)
