"""The agent's control socket: many clients, one thread, no waiting for any of them.

A client that is slow, silent, wrong or gone costs its own connection and nothing else.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.frames import FrameDecoder, FrameWriter, Handshake
from chimera_pipelines.heads.wire import HANDSHAKE_S, Listener, check_peer

MAX_CLIENTS = 256
_MAX_FRAME = 4 * 1024 * 1024
_MAX_UNREAD = 16 * 1024 * 1024
_CHUNK = 1 << 16

_log = logging.getLogger(__name__)

Answer: TypeAlias = Callable[["Client", dict[str, Any]], Mapping[str, Any] | None]


class Client:
    """One connection that is never waited for.

    Attributes:
        watches: it is told of every change of state.
    """

    def __init__(self, sock: socket.socket, secret: bytes) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.watches = False
        self.since = time.monotonic()
        self._hands: Handshake | None = Handshake(secret, server=True)
        self._greeting = bytearray()
        self._writer: FrameWriter | None = None
        self._decoder: FrameDecoder | None = None
        self.out = bytearray(self._hands.begin())

    @property
    def shaken(self) -> bool:
        """Whether it has shown that it knows the secret."""
        return self._hands is None

    def read(self) -> Iterator[dict[str, Any]]:
        """The frames that have come.

        Raises:
            EOFError: it hung up.
            OSError, WireError: as `Connection.receive`.
        """
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        data = self._shake(data)
        if self._decoder is not None:
            for message in self._decoder.feed(data):
                yield message.frame

    def send(self, frame: Mapping[str, Any]) -> None:
        """Have a frame sent as soon as the client takes it."""
        if self._writer is not None:
            for part in self._writer.encode(frame):
                self.out += part

    def write(self) -> None:
        """Send what it takes now.

        Raises:
            OSError: it is gone, or reads nothing.
        """
        if len(self.out) > _MAX_UNREAD:
            raise TimeoutError("it reads nothing")
        with suppress(BlockingIOError):
            del self.out[: self.socket.send(self.out)]

    def _shake(self, data: bytes) -> bytes:
        """Take from `data` what the handshake needs; the rest."""
        if self._hands is None:
            return data
        self._greeting += data
        if len(self._greeting) < self._hands.need:
            return b""
        need = self._hands.need
        self.out += self._hands.feed(bytes(self._greeting[:need]))
        sending, receiving = self._hands.keys()
        self._writer = FrameWriter(sending)
        self._decoder = FrameDecoder(receiving, max_bytes=_MAX_FRAME)
        rest = bytes(self._greeting[need:])
        self._hands = None
        return rest


class ControlServer:
    """The clients of an agent.

    Args:
        listener: the control socket.
        selector: of the agent; keys of ours carry a callable as data.
        answer: what to answer a frame with, or None for nothing now. Its ChimeraErrors are
            answered as errors.
    """

    def __init__(
        self,
        listener: Listener,
        secret: bytes,
        selector: selectors.BaseSelector,
        answer: Answer,
    ) -> None:
        self._listener = listener
        self._secret = secret
        self._selector = selector
        self._answer = answer
        self._clients: dict[int, Client] = {}
        listener.socket.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def tell_watchers(self, frame: Mapping[str, Any]) -> None:
        """Send a frame to every client that watches."""
        for client in list(self._clients.values()):
            if client.watches:
                client.send(frame)
                self._flush(client)

    def sweep(self, now: float) -> None:
        """Drop clients that have not shaken hands in time."""
        for client in list(self._clients.values()):
            if not client.shaken and now - client.since > HANDSHAKE_S:
                self._drop(client, "no handshake")

    def close(self) -> None:
        """Hang up on everyone."""
        for client in list(self._clients.values()):
            self._drop(client, None)
        with suppress(KeyError):
            self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self, _: int) -> None:
        try:
            sock = self._listener.accept()
        except OSError as error:
            _log.warning("a connection went away: %s", error)
            return
        try:
            if sock.family == socket.AF_UNIX:
                check_peer(sock)
            self._make_place()
        except (OSError, ChimeraError) as error:
            _log.warning("refused a connection: %s", error)
            sock.close()
            return
        client = Client(sock, self._secret)
        self._clients[sock.fileno()] = client
        self._selector.register(sock, selectors.EVENT_READ, lambda mask: self._serve(client, mask))
        self._flush(client)

    def _make_place(self) -> None:
        """Have room for one more: strangers make way for those who come after them.

        Raises:
            ConnectionRefusedError: clients have all places.
        """
        if len(self._clients) < MAX_CLIENTS:
            return
        first = next((one for one in self._clients.values() if not one.shaken), None)
        if first is None:
            raise ConnectionRefusedError(f"{MAX_CLIENTS} clients are connected")
        self._drop(first, "no handshake, and others come")

    def _serve(self, client: Client, mask: int) -> None:
        try:
            if mask & selectors.EVENT_READ:
                for frame in client.read():
                    self._reply(client, frame)
        except EOFError:
            self._drop(client, None)
        except (OSError, ChimeraError) as error:
            self._drop(client, str(error))
        else:
            self._flush(client)

    def _reply(self, client: Client, frame: dict[str, Any]) -> None:
        try:
            answer = self._answer(client, frame)
        except ChimeraError as error:
            answer = {"is": "error", "error": error_json(error)}
        except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
            _log.warning("a request that fails: %r", error)
            answer = {"is": "error", "error": error_json(error)}
        if answer is not None:
            client.send(answer)

    def _flush(self, client: Client) -> None:
        if client.socket.fileno() < 0:
            return
        try:
            client.write()
        except OSError as error:
            self._drop(client, str(error))
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
        key = self._selector.get_key(client.socket)
        if key.events != wanted:
            self._selector.modify(client.socket, wanted, key.data)

    def _drop(self, client: Client, why: str | None) -> None:
        if client.socket.fileno() < 0:
            return
        if why is not None:
            _log.warning("hung up on a client: %s", why)
        self._selector.unregister(client.socket)
        del self._clients[client.socket.fileno()]
        client.socket.close()
