"""What happens to heads, as one queue for the thread that schedules.

A fleet tells of it from its own threads and under its lock; nothing is done there but noting it.
`put` of the queue may be called from a signal handler too, which is how Ctrl-C comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.heads.frames import Message


@dataclass(frozen=True, slots=True)
class Up:
    """A head answers."""

    head: str
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class Said:
    """A head said something."""

    head: str
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """No more heads will come."""

    error: ChimeraError


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run was stopped."""


Event: TypeAlias = Up | Said | Death | Broken | Stopped


class Mailbox:
    """The `FleetEvents` of a run."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event] = SimpleQueue()

    def up(self, head: str, incarnation: Incarnation) -> None:
        """See `FleetEvents.up`."""
        self._queue.put(Up(head, incarnation))

    def frame(self, head: str, message: Message) -> None:
        """See `FleetEvents.frame`."""
        self._queue.put(Said(head, message.frame))

    def down(self, head: str, death: Death) -> None:
        """See `FleetEvents.down`."""
        del head  # the death names it
        self._queue.put(death)

    def broken(self, error: ChimeraError) -> None:
        """See `FleetEvents.broken`."""
        self._queue.put(Broken(error))

    def stopped(self) -> None:
        """Note that the run was stopped; from any thread or signal handler."""
        self._queue.put(Stopped())

    def get(self, timeout_s: float) -> Event | None:
        """The next event; None when none comes in that time."""
        try:
            return self._queue.get(timeout=max(0.0, timeout_s))
        except Empty:
            return None
