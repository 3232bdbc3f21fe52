"""A client of head processes: starts them, gives them work, follows them through their deaths.

Its threads are in `following.py`, what it tells in `fleet_events.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chimera_pipelines.heads.attach import AgentHandle, attach_or_start
from chimera_pipelines.heads.fleet_events import Adopted, Death, FleetEvents, Incarnation
from chimera_pipelines.heads.following import NO_HEADS_S, Following
from chimera_pipelines.heads.frames import Bytes
from chimera_pipelines.heads.performer import Orphan
from chimera_pipelines.heads.state import HeadEntry

__all__ = [
    "NO_HEADS_S",
    "Adopted",
    "AgentHandle",
    "Death",
    "Fleet",
    "FleetEvents",
    "Incarnation",
    "attach_or_start",
]

ADOPT_S = 10.0
_JOIN_S = 5.0


class Fleet(Following):
    """Heads of one agent, as one client sees them.

    When the agent dies, every head is told to be down and an own agent takes its place.

    Args:
        agent: whose heads they are; may be starting.
        events: told what happens.

    Attributes:
        lock: held while events are told; hold it to see a state that does not change.
    """

    def __init__(self, agent: AgentHandle, *, events: FleetEvents) -> None:
        super().__init__(agent, events)

    def require(self, *heads: str) -> None:
        """Follow these heads; the agent starts those that are down. Returns at once."""
        with self.lock:
            for head in heads:
                self._follow(head)
                if head not in self._required:
                    self._required.add(head)
                    self._given_up.discard(head)
                    self._agent.send({"do": "start", "head": head})

    def idle(self) -> list[str]:
        """Heads that answer and do nothing, for us or for others; sorted."""
        with self.lock:
            return sorted(head for head, link in self._links.items() if link.idle)

    def up(self) -> list[str]:
        """Heads that answer; sorted."""
        with self.lock:
            return sorted(self._links)

    def entries(self) -> Mapping[str, HeadEntry]:
        """What the agent publishes of all heads; empty while there is no agent."""
        with self.lock:
            state = self._agent.state
            return {} if state is None else state.heads

    def incarnation(self, head: str) -> Incarnation | None:
        """The incarnation that answers now."""
        with self.lock:
            link = self._links.get(head)
            return None if link is None else link.incarnation

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
        """Give a head work; False when it has just died (`down` follows or was called).

        Args:
            head: one that is up. It queues what it cannot do at once.
            work: id, chosen by the caller, of which all frames of this work tell.
            performer: who does it there.
            payload: what for.
            run: id by which all works of a run are cancelled and adopted.
            orphan: what becomes of it when this process dies.
            buffers: raw bytes beside the payload.
        """
        frame = {
            "do": "perform",
            "work": work,
            "performer": performer,
            "payload": payload,
            "run": run,
            "orphan": orphan,
        }
        with self.lock:
            link = self._links.get(head)
            if link is None or not link.send(frame, buffers):
                return False
            link.works[work] = None
            return True

    def cancel(self, head: str, work_or_run: str, reason: str = "") -> None:
        """Have a work, or all works of a run, cancelled on a head; its `rest` frame follows."""
        with self.lock:
            link = self._links.get(head)
            if link is not None:
                link.send({"do": "cancel", "work": work_or_run, "reason": reason})

    def adopt(self, run: str, *, timeout_s: float = ADOPT_S) -> list[Adopted]:
        """Take over what running heads do for a run; their frames come to us from now on.

        A head that does not answer in time is fenced: what it may do for the run is begun again
        elsewhere. Not for use within an event.
        """
        until = time.monotonic() + timeout_s

        def left() -> float:
            return until - time.monotonic()

        with self._changed:
            self._changed.wait_for(lambda: self._agent.state is not None or self._broken, timeout_s)
            entries = self.entries().items()
            found = {head: entry.incarnation for head, entry in entries if entry.state == "idle"}
            for head in found:
                self._follow(head)
            self._fencing.wait(lambda: found.keys() <= self._links.keys(), left())
            self._adopted.clear()
            frame = {"do": "adopt", "run": run}
            asked = {h for h in found if h in self._links and self._links[h].send(frame)}
            self._fencing.wait(lambda: (asked & self._links.keys()) <= self._adopted.keys(), left())
            told = dict(self._adopted)  # what is told from here on is too late
            self._fencing.end_silent({h: n for h, n in found.items() if h not in told})
            return [work for head in sorted(told) for work in told[head]]

    def fault(self, head: str, reason: str) -> None:
        """Report that a head's answers cannot be trusted: it is fenced and regenerated."""
        self._report_fault(head, reason)

    def fence(self, heads: Collection[str], reason: str) -> set[str]:
        """See that what heads do now ends, also when the fleet is broken; may take seconds.

        Returns:
            Those of which it is known, now or since their death was told.
        """
        with self._changed:
            up = [self._links[head] for head in heads if head in self._links]
            return self._fencing.end(up, reason) | (self._ended - self._links.keys())

    def close(self) -> None:
        """Stop following. Works that are being done go on (see `Orphan`)."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            for link in self._links.values():
                link.connection.hang_up()
            self._agent.hang_up()
            threads = list(self._threads.values())
        until = time.monotonic() + _JOIN_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        self._agent.close()
