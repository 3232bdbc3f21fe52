"""Who comes to a head's socket: a thread for each connection, and an end to those who dawdle.

Whoever has not shown that it knows the secret takes one of `MAX_STRANGERS` places, for as long as
a handshake may take; when they are short, the one that came first is hung up on. So strangers who
only hold connections open, which over TCP anybody can, never keep a client of ours out.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import threading
import time
from contextlib import suppress

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.head_server import HeadServer
from chimera_pipelines.heads.tls import Tls

MAX_CLIENTS = 256
MAX_STRANGERS = 64
_STUCK_S = 30.0  # a client that reads nothing for so long is hung up on
_PAUSE_S = 0.1
_PASSING = {errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = logging.getLogger(__name__)


class Reception:
    """The connections of one head.

    Args:
        server: gets their frames.
        secret: that they must know.
        tls: of connections over TCP.
    """

    def __init__(self, server: HeadServer, secret: bytes, tls: Tls | None) -> None:
        self._server = server
        self._secret = secret
        self._tls = tls
        self._strangers: dict[socket.socket, None] = {}
        self._clients = threading.BoundedSemaphore(MAX_CLIENTS)
        self._lock = threading.Lock()

    def accept(self, listener: wire.Listener) -> None:
        """Take connections for ever."""
        while True:
            try:
                sock = listener.accept()
            except OSError as error:
                if error.errno not in _PASSING:
                    _log.exception("%s accepts no more", self._server.here.id)
                    os._exit(1)  # nobody could reach this process again: a new one is better
                _log.warning("%s accepts nothing now: %s", self._server.here.id, error)
                time.sleep(_PAUSE_S)
                continue
            self.take(sock)

    def take(self, sock: socket.socket) -> None:
        """Serve a connection in a thread of its own."""
        with self._lock:
            if len(self._strangers) >= MAX_STRANGERS:
                first = next(iter(self._strangers))
                del self._strangers[first]
                with suppress(OSError):
                    first.shutdown(socket.SHUT_RDWR)  # its thread wakes, and closes it
            self._strangers[sock] = None
        try:
            threading.Thread(target=self._read, args=(sock,), name="client", daemon=True).start()
        except RuntimeError as error:  # no more threads; those that end make room
            _log.warning("%s refused a connection: %s", self._server.here.id, error)
            self._known(sock)
            sock.close()

    def _read(self, sock: socket.socket) -> None:
        try:
            connection = wire.accept(sock, self._secret, tls=self._tls)
        except (OSError, EOFError, ChimeraError) as error:
            _log.warning("%s refused a connection: %s", self._server.here.id, error)
            return
        finally:
            self._known(sock)
        if not self._clients.acquire(blocking=False):
            _log.warning("%s refused a client: %d are here", self._server.here.id, MAX_CLIENTS)
            connection.close()
            return
        try:
            self._serve(connection, sock)
        finally:
            self._clients.release()

    def _known(self, sock: socket.socket) -> None:
        """It is no stranger any more, or gone."""
        with self._lock:
            self._strangers.pop(sock, None)

    def _serve(self, connection: wire.Connection, sock: socket.socket) -> None:
        """Read one connection to its end; whatever comes over it must not end the head."""
        try:
            limit = struct.pack("ll", int(_STUCK_S), 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            while True:
                self._server.receive(connection, connection.receive())
        except (EOFError, OSError):
            pass  # it hung up
        except (ChimeraError, LookupError, TypeError, ValueError) as error:
            _log.warning("%s hangs up on a client: %r", self._server.here.id, error)
        except Exception:  # noqa: BLE001 - a fault of ours; the head's works go on
            _log.exception("%s hangs up on a client", self._server.here.id)
        finally:
            connection.hang_up()
            self._server.gone(connection)
