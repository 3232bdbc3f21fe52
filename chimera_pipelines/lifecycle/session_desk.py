"""The desk of a head process: sandbox sessions for feedback blocks of kernels on other heads.

One session a connection, and one thread a session: the reader stays free to see its client go, for
a client that hangs up, or dies, ends its session in the middle of a call. Limits are those of any
session, with the time that the client's kernel has.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from chimera_pipelines.errors import KernelError, SandboxUnavailableError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.frames import Bytes, Message
from chimera_pipelines.heads.jobs import Peer
from chimera_pipelines.heads.performer import HeadContext
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.session_frames import outcome_json, spec_of, value_of
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier
from chimera_pipelines.settings import settings

_log = logging.getLogger(__name__)


class SessionDesk:
    """See `heads.desk.Desk`.

    Args:
        here: the head.
        services: of this process; made from the environment when None.
    """

    def __init__(self, here: HeadContext, services: Services | None = None) -> None:
        self._services = services or Services(settings(), here=here)
        self._guests: dict[int, _Guest] = {}
        self._lock = threading.Lock()

    def ask(self, peer: Peer, message: Message) -> None:
        """Hand a frame to the session of that connection."""
        with self._lock:
            guest = self._guests.get(id(peer))
            if guest is None:
                guest = self._guests[id(peer)] = _Guest(self._services, peer)
        guest.asked.put(message)

    def gone(self, peer: Peer) -> None:
        """End that connection's session, whatever it does."""
        with self._lock:
            guest = self._guests.pop(id(peer), None)
        if guest is not None:
            guest.leave()

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            guests = list(self._guests.values())
            self._guests.clear()
        for guest in guests:
            guest.leave()
            guest.thread.join()
        self._services.close()


class _Guest:
    """One connection and its session.

    The thread lives as long as the session: the kernel ends a sandbox with the thread that began
    it.
    """

    def __init__(self, services: Services, peer: Peer) -> None:
        self.asked: SimpleQueue[Message | None] = SimpleQueue()
        self._services = services
        self._peer = peer
        self._session: Session | None = None
        self._left = False
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._serve, name="session", daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """End the session, from another thread."""
        with self._lock:
            self._left = True
            session = self._session
        if session is not None:
            session.abort()
        self.asked.put(None)

    def _serve(self) -> None:
        try:
            while (message := self.asked.get()) is not None:
                answer, buffers = self._answer(message)
                with suppress(OSError):  # who went away is told of by its reader
                    self._peer.send(answer, buffers)
        finally:
            if self._session is not None:
                self._session.close()

    def _answer(self, message: Message) -> tuple[dict[str, Any], tuple[Bytes, ...]]:
        answer = {"is": "session", "id": message.frame["id"]}
        try:
            value, buffers = self._do(message)
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            _log.info("a session for another head: %r", error)
            return {**answer, "value": None, "error": error_json(error)}, ()
        return {**answer, "value": value, "error": None}, buffers

    def _do(self, message: Message) -> tuple[Any, tuple[Bytes, ...]]:
        frame = message.frame
        if frame["op"] == "open":
            self._open(frame["spec"])
            return None, ()
        session = self._session
        if session is None:
            raise KernelError("MAML903", "a session was asked for what it was not opened for")
        if frame["op"] == "load":
            (source,) = message.buffers
            outcome = session.load(
                frame["block"],
                bytes(source).decode(),
                filename=frame["filename"],
                first_line=frame["first_line"],
            )
            return outcome_json(outcome)
        arguments, attachments = value_of(frame["media"], message.buffers)
        outcome = session.call(
            frame["block"],
            frame["function"],
            arguments,
            attachments=attachments,
            timeout_s=frame["timeout_s"],
        )
        return outcome_json(outcome)

    def _open(self, value: Any) -> None:
        if self._session is not None:
            raise KernelError("MAML903", "a session was opened twice")
        spec = spec_of(value)
        if spec.tier is Tier.PROCESS and self._services.settings.sandbox != "process":
            raise SandboxUnavailableError(
                "MAML906",
                "another head asks for a session without a sandbox",
                hint="set CHIMERA_SANDBOX=process where that is meant",
            )
        session = self._services.open(self._services.heads[self._here], spec)
        with self._lock:
            self._session, late = session, self._left
        if late:
            session.abort()

    @property
    def _here(self) -> str:
        return next(iter(self._services.heads))
