"""A client's connection to one incarnation of a head, and what it knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chimera_pipelines.heads.attach import gone
from chimera_pipelines.heads.fleet_events import Adopted, Death, Incarnation
from chimera_pipelines.heads.frames import Bytes
from chimera_pipelines.heads.state import State
from chimera_pipelines.heads.wire import Connection


@dataclass(slots=True)
class HeadLink:
    """One incarnation.

    Attributes:
        up: it has answered.
        busy: it works, for us or for others.
        remote: on another machine, whose end the connection may not notice.
        process: pid and beginning of one that is on this machine.
        again: it hung up and may live; it is connected to again.
        works: our works there, with the step each has begun; only the first can have one.
    """

    head: str
    incarnation: Incarnation
    connection: Connection
    up: bool = False
    busy: bool = False
    remote: bool = False
    process: tuple[int, int] | None = None
    again: bool = False
    works: dict[str, str | None] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether it would begin a work at once."""
        return not self.busy and not self.works

    def send(self, frame: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> bool:
        """Send a frame; False when the head is gone, of which its reader will hear."""
        try:
            self.connection.send(frame, buffers)
        except OSError:
            return False
        return True

    def saw(self, frame: Mapping[str, Any]) -> None:
        """Follow what a frame says."""
        match frame["is"]:
            case "busy" | "idle" as what:
                self.busy = what == "busy"
            case "start":
                self.works[frame["work"]] = frame["key"]
            case "end":
                self.works[frame["work"]] = None
            case "rest":
                self.works.pop(frame["work"], None)
                self.busy = frame["queued"] > 0 or frame["ends"]

    def adopt(self, works: Sequence[Mapping[str, Any]]) -> list[Adopted]:
        """Take over works that the head says are ours now."""
        taken = []
        for work in works:
            self.works[work["work"]] = work["current"]
            taken.append(
                Adopted(
                    self.head,
                    work["work"],
                    work["performer"],
                    work["payload"],
                    work["current"],
                    tuple(work["ended"]),
                )
            )
        return taken

    def is_past(self, state: State) -> bool:
        """Whether the agent says that this incarnation has ended."""
        entry = state.heads[self.head]
        ended = entry.before is not None and entry.before.incarnation >= self.incarnation.number
        return state.agent != self.incarnation.agent or ended

    def has_ended(self, state: State | None) -> bool:
        """Whether that is known: the agent says so, or the process is gone."""
        if state is not None and self.is_past(state):
            return True
        return self.process is not None and gone(*self.process, within_s=0.0)

    def death(self, state: State | None) -> Death:
        """How it ended, as the agent says; without the agent, that it is gone."""
        running = next(((w, step) for w, step in self.works.items() if step is not None), None)
        first = next(iter(self.works), None)
        work, step = running or (first, None)
        works = tuple(self.works)
        if state is None or state.agent != self.incarnation.agent:
            return Death(self.head, self.incarnation, "its agent is gone", None, work, step, works)
        entry = state.heads[self.head]
        before, final = entry.before, entry.problem is not None
        if before is None or before.incarnation != self.incarnation.number:
            return Death(self.head, self.incarnation, "it hung up", None, work, step, works, final)
        return Death(
            self.head,
            self.incarnation,
            before.reason,
            before.signal,
            work,
            step,
            works,
            final,
            detect_s=before.detect_s,
            fence_s=before.fence_s,
        )
