"""What a `Fleet` tells its client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.frames import Message

_FROM_OUTSIDE = ("stopped", "restart: ", "fault: ", "its agent is gone", "its machine is gone")


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
        works: ids of all of this client's works that it had, `work` among them.
        final: it is given up: there will be no next incarnation, or nobody hears of one.
        known: it has ended, for all that is known. Else it may go on and sign: nobody could see to
            its end.
        code: why, if it is: CHIM716, its agent tries no more; CHIM714, nobody answers for it.
        detect_s: from its last sign of life to the agent's finding.
        fence_s: from there until the process was killed and reaped.
    """

    head: str
    incarnation: Incarnation
    reason: str
    signal: int | None = None
    work: str | None = None
    step: str | None = None
    works: tuple[str, ...] = ()
    final: bool = False
    code: str = "CHIM716"
    known: bool = True
    detect_s: float = 0.0
    fence_s: float = 0.0

    @property
    def from_outside(self) -> bool:
        """Whether it is of a kind that no step brings about by what it computes."""
        return self.reason.startswith(_FROM_OUTSIDE)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A work of a run that a head still does, or that waits there, and is now told to us.

    Attributes:
        payload: as it was given.
        current: key of the step that has started and not ended.
        ended: `end` frames that were emitted before.
    """

    head: str
    work: str
    performer: str
    payload: Mapping[str, Any]
    current: str | None
    ended: tuple[Mapping[str, Any], ...]


class FleetEvents(Protocol):
    """What a fleet tells, from its threads, always with `Fleet.lock` held; must return soon."""

    def up(self, head: str, incarnation: Incarnation) -> None:
        """A head answers; a `busy` or `idle` frame follows at once."""
        ...

    def frame(self, head: str, message: Message) -> None:
        """A head says something: start, end, rest, busy, idle.

        At `rest` the head counts as idle already if nothing waits there: `perform` may be called.
        """
        ...

    def down(self, head: str, death: Death) -> None:
        """A head is gone; the next incarnation comes by itself unless `final`.

        It was up, or is `final` and never was.
        """
        ...

    def broken(self, error: ChimeraError) -> None:
        """Nothing more will come: no head answers (CHIM714), or none can be started (CHIM716, …).

        Told once.
        """
        ...
