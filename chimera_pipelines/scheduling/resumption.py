"""The last stage of a regeneration, which only the one who waited can measure: the step goes on.

A dispatcher tells what it sees of heads; when a step that was interrupted by a death starts again
on the head that came back, the timeline of that head is complete. A step that goes on elsewhere,
because another head was free, says nothing about the one that died.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.ledger.evidence import HeadEvent
from chimera_pipelines.ledger.ledger import Ledger

RESUME = "resume"
"""`HeadEvent.event` of the last stage."""


_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Head:
    agent: str = ""
    interrupted: frozenset[str] = frozenset()
    since: float | None = None
    timeline: Timeline | None = None


class Resumptions:
    """What one dispatcher knows of heads that came back. Not safe for threads by itself.

    Args:
        record: keeps the event of a whole timeline, without making anyone wait.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        record: Callable[[HeadEvent], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._clock = clock
        self._heads: dict[str, _Head] = {}

    def died(self, head: str, steps: frozenset[str]) -> None:
        """A head is gone; `steps` are keys that it had not ended for us."""
        known = self._heads.get(head)
        before = frozenset() if known is None else known.interrupted
        self._heads[head] = _Head(interrupted=before | steps)

    def up(self, head: str, agent: str) -> None:
        """A head of that agent answers."""
        if head in self._heads:
            self._heads[head].agent = agent
            self._heads[head].since = self._clock()

    def regenerated(self, head: str, timeline: Mapping[str, Any]) -> Timeline | None:
        """A head says how it came back: its timeline so far, if we saw it die.

        Raises:
            ValueError: that is no timeline.
        """
        if head not in self._heads:
            return None
        self._heads[head].timeline = Timeline.from_json(timeline)
        return self._heads[head].timeline

    def started(self, head: str, step: str) -> Timeline | None:
        """A step starts on a head: the whole timeline, if it is the first that goes on there."""
        for name, other in self._heads.items():
            if name != head:
                other.interrupted -= {step}
        known = self._heads.get(head)
        if known is None or step not in known.interrupted:
            return None
        del self._heads[head]
        if known.timeline is None or known.since is None:
            return None
        whole = known.timeline.after(Stage.RESUME, self._clock() - known.since)
        self._record(resume_event(whole, known.agent, step))
        return whole


def resume_event(timeline: Timeline, agent: str, step: str) -> HeadEvent:
    """The row of `head_events` that a dispatcher adds for a whole timeline.

    Args:
        timeline: as `Resumptions.started` gave it.
        agent: id of the head's agent.
        step: key of the step that goes on.
    """
    detail: dict[str, JSONValue] = {
        "old": timeline.old,
        "step": step,
        "seconds": round(timeline.stages.get(Stage.RESUME, 0.0), 6),
        "total": round(timeline.seconds, 6),
    }
    return HeadEvent(timeline.head, timeline.new, agent, RESUME, detail)


def recorder(ledger_url: str) -> Callable[[HeadEvent], threading.Thread]:
    """Writes events into the ledger of that URL, each in a thread of its own."""

    def record(event: HeadEvent) -> threading.Thread:
        thread = threading.Thread(target=_write, args=(ledger_url, event), name="record-resume")
        thread.start()
        return thread

    return record


def _write(ledger_url: str, event: HeadEvent) -> None:
    try:
        ledger = Ledger(ledger_url)
        try:
            ledger.record_head_event(event)
        finally:
            ledger.close()
    except ChimeraError as error:
        _log.warning("the resumption of %s is not recorded: %s", event.head, error)
