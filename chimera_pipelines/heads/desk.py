"""What a head does for other heads at once, beside the queue of its works.

A quantum head in the middle of a loop asks an AI head to run a feedback block. Were that a work, it
would wait behind an AI kernel while its own time runs. Whoever serves is named among the performers
on the agent's command line, so that heads know nothing of what is above them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.jobs import Peer
from chimera_pipelines.heads.performer import HeadContext

SESSIONS = "sessions"
"""Name among the performers of what is no performer but a desk."""


class Desk(Protocol):
    """Answers `{"do": "session", …}`; reader threads call it, and are never kept waiting."""

    def ask(self, peer: Peer, message: Message) -> None:
        """Have a frame answered, by `{"is": "session", "id", "value", "error"}` to the peer."""
        ...

    def gone(self, peer: Peer) -> None:
        """That client hung up: end what is done for it."""
        ...

    def close(self) -> None:
        """The head ends: let go of everything."""
        ...


MakeDesk: TypeAlias = Callable[[HeadContext], Any]


class FrontDesk:
    """A desk that is made when somebody comes.

    Args:
        here: the head.
        make: makes it; None where the door named none.
    """

    def __init__(self, here: HeadContext, make: MakeDesk | None) -> None:
        self._here = here
        self._make = make
        self._made: Desk | None = None
        self._lock = threading.Lock()

    def ask(self, peer: Peer, message: Message) -> None:
        """See `Desk.ask`; CHIM720 is the answer of a head without one."""
        if self._make is None:
            error = HeadUnavailableError(
                "CHIM720",
                f"{self._here.id} was started without '{SESSIONS}'",
                hint="run 'chimera heads down', then 'chimera heads up'",
            )
            answer = {"is": "session", "id": message.frame["id"], "error": error_json(error)}
            peer.send({**answer, "value": None})
            return
        with self._lock:
            if self._made is None:
                self._made = self._make(self._here)
            desk = self._made
        desk.ask(peer, message)

    def gone(self, peer: Peer) -> None:
        """See `Desk.gone`."""
        with self._lock:
            desk = self._made
        if desk is not None:
            desk.gone(peer)

    def close(self) -> None:
        """See `Desk.close`."""
        with self._lock:
            desk, self._made, self._make = self._made, None, None
        if desk is not None:
            desk.close()
