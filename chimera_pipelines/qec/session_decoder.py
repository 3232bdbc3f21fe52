"""The decoder's side of a session: the loop, and the three places in which it runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from typing import Final, Literal, Protocol

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.ring_buffer import SyndromeRingBuffer
from chimera_pipelines.qec.ring_buffer_memory import Nap, RingError
from chimera_pipelines.qec.session_report import write_update
from chimera_pipelines.qec.session_windows import WindowFeed

Place = Literal["process", "thread", "inline"]
_PLACES: Final = ("process", "thread", "inline")
_IDLE_S: Final = 3600.0
_LEAVE_S: Final = 5.0
_CHILD_FAILED: Final = 70


def follow(
    feed: WindowFeed,
    rounds: SyndromeRingBuffer,
    updates: SyndromeRingBuffer,
    backlog: Sequence[bytes] = (),
) -> None:
    """Decodes rounds as they come until the last window, or until the head has left.

    `backlog` are rounds in front of those in the ring.

    Raises:
        RingError: CHIM797 when a ring's memory is damaged; CHIM798 when the head says nothing for
            an hour, or reads nothing.
    """
    parent, nap, waiting = os.getppid(), Nap(_IDLE_S), iter(backlog)
    while not feed.complete:
        data = next(waiting, None)
        if data is None:
            data = rounds.try_pop()
        if data is None:
            if updates.left or os.getppid() != parent:
                return
            if not nap.again():
                raise RingError("CHIM798", "no round came for an hour", hint="close the session")
            continue
        nap = Nap(_IDLE_S)
        for update in feed.add(data):
            if updates.left:
                return
            updates.push(write_update(update), timeout_s=_IDLE_S)


class DecoderSide(Protocol):
    """Who decodes for a session."""

    def step(self) -> None:
        """Called by the head between its own steps."""
        ...

    def ended(self) -> str | None:
        """Why it decodes no more, or None while it does."""
        ...

    def close(self) -> None:
        """Ends it; the rings say already that the head has left."""
        ...


def started(
    feed: WindowFeed,
    rounds: SyndromeRingBuffer,
    updates: SyndromeRingBuffer,
    where: Place,
    backlog: Sequence[bytes] = (),
) -> DecoderSide:
    """The decoder of a session, running; `backlog`, for a process, are rounds to begin with.

    Raises:
        DecodingError: CHIM793 for an unknown place.
        RingError: CHIM798 when no process can be made.
    """
    if where not in _PLACES:
        raise DecodingError(
            "CHIM793", f"no decoder runs in {where!r}", hint=f"one of {', '.join(_PLACES)}"
        )
    if where == "process":
        return Forked(feed, rounds, updates, backlog)
    return (Threaded if where == "thread" else Inline)(feed, rounds, updates)


class Inline:
    """Decodes between the head's steps, in its thread."""

    def __init__(
        self, feed: WindowFeed, rounds: SyndromeRingBuffer, updates: SyndromeRingBuffer
    ) -> None:
        """See `started`."""
        self._feed, self._rounds, self._updates = feed, rounds, updates
        self._unsent = list[bytes]()

    def step(self) -> None:
        """Decodes what has come; updates for which the ring has no room wait here."""
        while (data := self._rounds.try_pop()) is not None:
            self._unsent += [write_update(update) for update in self._feed.add(data)]
        while self._unsent and self._updates.try_push(self._unsent[0]):
            self._unsent.pop(0)

    def ended(self) -> str | None:
        """Never."""
        self.step()
        return None

    def close(self) -> None:
        """Nothing to end."""


class Threaded:
    """Decodes in a thread of this process."""

    def __init__(
        self, feed: WindowFeed, rounds: SyndromeRingBuffer, updates: SyndromeRingBuffer
    ) -> None:
        """See `started`."""
        self._error: str | None = None
        self._thread = threading.Thread(
            target=self._run, args=(feed, rounds, updates), name="decoder", daemon=True
        )
        self._thread.start()

    def _run(
        self, feed: WindowFeed, rounds: SyndromeRingBuffer, updates: SyndromeRingBuffer
    ) -> None:
        try:
            follow(feed, rounds, updates)
        except Exception as error:  # noqa: BLE001 - told to the head, which raises it
            self._error = f"{type(error).__name__}: {error}"

    def step(self) -> None:
        """The thread steps by itself."""

    def ended(self) -> str | None:
        """What it ended with."""
        if self._thread.is_alive():
            return None
        return self._error or "its work is done"

    def close(self) -> None:
        """Waits for the thread, which sees that the head has left."""
        self._thread.join(_LEAVE_S)


class Forked:
    """Decodes in a child process, which shares the rings' memory and nothing else."""

    def __init__(
        self,
        feed: WindowFeed,
        rounds: SyndromeRingBuffer,
        updates: SyndromeRingBuffer,
        backlog: Sequence[bytes] = (),
    ) -> None:
        """See `started`."""
        self._status: str | None = None
        try:
            self.pid = os.fork()
        except OSError as error:
            raise RingError(
                "CHIM798",
                f"no process for the decoder: {error.strerror}",
                hint="where='thread', as in a sandbox",
            ) from error
        if self.pid == 0:
            status = _CHILD_FAILED
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # the head ends it
                follow(feed, rounds, updates, backlog)
                status = 0
            finally:
                os._exit(status)  # nothing of the parent is cleaned up twice

    def step(self) -> None:
        """The process steps by itself."""

    def ended(self) -> str | None:
        """How the process ended."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = f"process {pid} ended with {code}" if code else "its work is done"
        return self._status

    def close(self) -> None:
        """Waits for the child, which sees that the head has left; kills it when it does not."""
        nap = Nap(_LEAVE_S)
        while self.ended() is None:
            if not nap.again():
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self._status = "killed"
