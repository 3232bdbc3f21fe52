"""A client's connection to its agent, and to the one that takes its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.attach import AgentHandle, gone
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.nodes import fence_all
from chimera_pipelines.heads.proc import end
from chimera_pipelines.heads.state import CONTROL, State

MOST_REPLACEMENTS = 5
_FENCED_S = 5.0


class AgentLink:
    """One agent after the other.

    Args:
        agent: the first; whoever made it closes it.
        changed: called with every state that the agent tells, and with None when it is gone.

    Attributes:
        state: what it told last, or None while there is none.
        heard: when it said anything last, by the monotonic clock.
    """

    def __init__(self, agent: AgentHandle, changed: Callable[[State | None], None]) -> None:
        self.state: State | None = None
        self.heard = time.monotonic()
        self._asked = False
        self._agent = agent
        self._changed = changed
        self._connection: wire.Connection | None = None
        self._wanted: dict[str, None] = {}
        self._last: State | None = None
        self._replacements: list[AgentHandle] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def directory(self) -> Path:
        """Where sockets of its heads lie."""
        return self._agent.directory

    def listen(self) -> None:
        """Connect, and tell what the agent says until it is gone.

        Raises:
            EOFError, OSError, WireError: it is gone.
            ChimeraError: it does not start, or refuses what it was asked.
        """
        self._agent.wait(abandoned=lambda: self._closed)
        state = HeadsDirectory(self.directory).read()
        if state is None:
            raise EOFError("there is no agent")
        connection = wire.connect(CONTROL, state.secret, directory=self.directory)
        connection.send({"do": "watch"})
        with self._lock:
            if self._closed:
                connection.close()
                raise EOFError
            self._connection, self._asked = connection, False
            wanted = list(self._wanted)
        for head in wanted:
            connection.send({"do": "start", "head": head})
        try:
            while True:
                self._heard(connection.receive().frame, state.secret)
        finally:
            with self._lock:
                self._connection = None
                self.state = None
            connection.close()
            self._changed(None)

    def send(self, frame: Mapping[str, Any]) -> None:
        """Ask the agent; what it is to start is asked again of every agent that follows."""
        with self._lock:
            if frame["do"] == "start":
                self._wanted[frame["head"]] = None
            if self._connection is not None:
                with suppress(OSError):  # the thread that listens hears of it
                    self._connection.send(frame)

    def ask(self) -> None:
        """Have the agent say something, unless it still owes an answer."""
        with self._lock:
            if self._connection is not None and not self._asked:
                self._asked = True
                with suppress(OSError):
                    self._connection.send({"do": "status"})

    def replace(self) -> None:
        """The agent is dead: see that its heads are, and start an agent of our own.

        Raises:
            HeadUnavailableError: CHIM714, it cannot be replaced, or agents die too often.
        """
        if self._last is not None:
            fence_all(self.directory)
            fence(self._last)
        if len(self._replacements) >= MOST_REPLACEMENTS:
            raise HeadUnavailableError(
                "CHIM714",
                f"the heads' agent died {MOST_REPLACEMENTS + 1} times in this run",
                hint=f"see agent.log in '{self.directory.parent}'",
            )
        agent = self._agent.replacement()
        with self._lock:
            self._replacements.append(agent)
            self._agent = agent

    def hang_up(self) -> None:
        """Let `listen` end, for good."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.hang_up()

    def close(self) -> None:
        """End the agents that took the first one's place."""
        for agent in self._replacements:
            agent.close()

    def _heard(self, frame: Mapping[str, Any], secret: bytes) -> None:
        self.heard, self._asked = time.monotonic(), False
        match frame["is"]:
            case "state":
                self.state = self._last = State.from_json(frame["state"], secret=secret)
                self._changed(self.state)
            case "error":
                raise error_of(frame["error"])


def fence(state: State) -> None:
    """See that no head of a dead agent runs.

    Raises:
        HeadUnavailableError: CHIM714, one does not end.
    """
    for head, entry in state.heads.items():
        if entry.pid is None or entry.created is None or entry.remote:
            continue
        if gone(entry.pid, entry.created, within_s=0.0):
            continue
        end(entry.pid, entry.created)
        if not gone(entry.pid, entry.created, within_s=_FENCED_S):
            raise HeadUnavailableError(
                "CHIM714",
                f"{head} of a dead agent does not end (process {entry.pid})",
                hint="end it, then run again",
            )
