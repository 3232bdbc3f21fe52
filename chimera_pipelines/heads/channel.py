"""JSON messages between an agent and the process that places heads for it, a datagram each."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

_MOST_BYTES = 1 << 20


class Channel:
    """One end; `send` may be called from any thread, `receive` from one."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
        self._end = end
        self._sending = threading.Lock()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two ends of a new channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            OSError: the other end is gone.
        """
        with self._sending:
            self._end.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None when the other end is gone.

        Raises:
            TimeoutError, BlockingIOError: none came in time.
        """
        try:
            data = self._end.recv(_MOST_BYTES)
        except ConnectionError:
            return None
        found: dict[str, Any] | None = json.loads(data) if data else None
        return found

    def settimeout(self, seconds: float | None) -> None:
        """Longest wait of `receive`, in seconds; None waits for ever, 0 not at all."""
        self._end.settimeout(seconds)

    def fileno(self) -> int:
        """The descriptor, for a selector and for a child."""
        return self._end.fileno()

    def close(self) -> None:
        """Let go of this end."""
        self._end.close()
