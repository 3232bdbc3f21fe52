"""What an agent and those who keep its heads alive know of each other."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.state import HeadEntry
from chimera_pipelines.heads.tls import Tls


@dataclass(frozen=True, slots=True)
class Office:
    """What the heads of one agent share.

    Attributes:
        changed: called after each change of an entry.
        descriptors: of the agent, none of which a child may keep.
        listen: "tcp:HOST" where heads listen, each at a free port; None for Unix sockets.
        tls: of connections over TCP.
        inherits: heads that have run before did so on a machine that is gone, and was silent for so
            many seconds; None: they did so here.
    """

    agent: str
    secret: bytes = field(repr=False)
    directory: HeadsDirectory
    performers: Mapping[str, str]
    device: Any
    memory_bytes: int | None
    selector: selectors.BaseSelector
    changed: Callable[[], None]
    descriptors: Callable[[], Iterable[int]]
    listen: str | None = None
    tls: Tls | None = None
    inherits: float | None = None

    def address(self, head: str, incarnation: int) -> str:
        """Where an incarnation listens."""
        return f"{self.listen}:0" if self.listen else f"unix:{head}.{incarnation}.sock"


class HeadKeeper(Protocol):
    """What an agent asks of whatever keeps a head alive, here or on another machine."""

    @property
    def entry(self) -> HeadEntry:
        """The head as the agent publishes it."""
        ...

    @property
    def said(self) -> Mapping[str, Any]:
        """Its last beat."""
        ...

    @property
    def gone(self) -> bool:
        """Whether it has no process."""
        ...

    def start(self) -> None:
        """Start it unless it is there."""
        ...

    def fence(
        self, reason: str, *, signal_number: int | None = None, recompute: bool = False
    ) -> None:
        """End this incarnation; the next follows."""
        ...

    def stop(self) -> None:
        """Ask it to end, for good."""
        ...

    def kill(self) -> None:
        """End it, for good."""
        ...

    def tick(self, now: float) -> None:
        """Look after it; called several times a second."""
        ...
