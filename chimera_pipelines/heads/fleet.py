"""A client of head processes: starts them, gives them work, follows them through their deaths."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.performer import Orphan
from chimera_pipelines.heads.wire import Bytes, Message
from chimera_pipelines.settings import Settings

NO_HEADS_S = 60.0


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One process of a head; (agent, number) is unique for ever."""

    agent: str
    number: int


@dataclass(frozen=True, slots=True)
class Death:
    """An incarnation that this client was connected to is gone.

    Attributes:
        reason: what the agent saw: "killed by SIGKILL", "stopped (SIGSTOP)", …
        signal: that ended it, or None.
        work: id of this client's work that it was doing, or None.
        step: key of the step that had started and not ended, or None.
        final: the agent has given it up (CHIM716): there will be no next incarnation.
        detect_s: from the first sign to the agent's finding.
        fence_s: from there until the process was killed and reaped.
    """

    head: str
    incarnation: Incarnation
    reason: str
    signal: int | None = None
    work: str | None = None
    step: str | None = None
    final: bool = False
    detect_s: float = 0.0
    fence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Adopted:
    """A work of a run that a head still does, or that waits there, and is now told to us.

    Attributes:
        current: key of the step that has started and not ended.
        ended: `end` frames that were emitted before.
        payload: as it was given.
    """

    head: str
    work: str
    performer: str
    payload: Mapping[str, Any]
    current: str | None
    ended: tuple[Mapping[str, Any], ...]


class FleetEvents(Protocol):
    """What a fleet tells, from its threads, always with `Fleet.lock` held."""

    def up(self, head: str, incarnation: Incarnation) -> None:
        """A head answers; it is idle unless a `busy` frame follows."""
        ...

    def frame(self, head: str, message: Message) -> None:
        """A head says something: start, end, rest, busy, idle, adopted.

        At `rest` the head is free again already: `perform` may be called from here.
        """
        ...

    def down(self, head: str, death: Death) -> None:
        """A head that was up is gone; the next incarnation comes by itself unless `final`."""
        ...

    def broken(self, error: ChimeraError) -> None:
        """Nothing more will come: no head answers (CHIM714), or the agent cannot be started."""
        ...


class AgentHandle:
    """An agent that this process found or started; a context manager.

    Attributes:
        directory: its folder.
        own: started by this process, and ended by `close`.
    """

    directory: Path
    own: bool

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return when it answers.

        Raises:
            HeadUnavailableError: CHIM714 it does not; CHIM718 a module of its preload fails.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End it with its heads if it is our own."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def attach_or_start(
    settings: Settings,
    *,
    performers: Mapping[str, str],
    preload: Sequence[str],
    lazily: bool = True,
) -> AgentHandle:
    """The warm agent of CHIMERA_HOME if it can serve us, else an agent of our own.

    A warm agent serves us when it has our performers and was started with our settings.

    Args:
        settings: of the heads.
        performers: "module:Class" by name.
        preload: modules that an own agent imports before it forks heads.
        lazily: return at once; an own agent is still starting then (`AgentHandle.wait`).
    """
    raise NotImplementedError


class Fleet:
    """Heads of one agent, as one client sees them. One thread a head, one for the agent.

    When the agent dies, every head is told to be down and an own agent is started in its place.
    """

    lock: threading.RLock

    def __init__(self, agent: AgentHandle, *, events: FleetEvents) -> None:
        raise NotImplementedError

    def require(self, *heads: str) -> None:
        """Follow these heads; the agent starts those that are down. Returns at once."""

    def idle(self) -> list[str]:
        """Heads that answer and do nothing, for us or for others; sorted."""
        raise NotImplementedError

    def perform(
        self,
        head: str,
        work: str,
        performer: str,
        payload: Mapping[str, Any],
        *,
        run: str = "",
        orphan: Orphan = "finish",
        buffers: Sequence[Bytes] = (),
    ) -> bool:
        """Give a head work; False when it has just died (`down` follows or was called)."""
        raise NotImplementedError

    def cancel(self, head: str, work_or_run: str) -> None:
        """Have a work, or all works of a run, cancelled on a head; its `rest` frame follows."""

    def adopt(self, run: str, *, timeout_s: float = 5.0) -> list[Adopted]:
        """Take over what running heads do for a run; their frames come to us from now on."""
        raise NotImplementedError

    def fault(self, head: str, reason: str) -> None:
        """Report that a head's answers cannot be trusted: it is fenced and regenerated."""

    def incarnation(self, head: str) -> Incarnation | None:
        """The incarnation that answers now."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop following. Works that are being done go on (see `Orphan`)."""
