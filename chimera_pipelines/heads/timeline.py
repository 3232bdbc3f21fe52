"""How a head came back, stage by stage: measured by its agent, its new process, its dispatcher.

The agent notices a death (detect), sees that the old incarnation can do nothing more (fence) and
forks the next one, which is then up (start). That one collects the shares of the head's states
(gather), makes content of them (rebuild, decrypt) and checks the head's last tickets (verify).
Whoever waited gives its step out again (resume). Each adds what it measured to the same record, so
that the sum is what a user waited for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from chimera_pipelines.digest import JSONValue

SCHEMA = "chimera.timeline/1"


class Stage(StrEnum):
    """The stages of a regeneration, in the order in which they happen."""

    DETECT = "detect"
    FENCE = "fence"
    START = "start"
    GATHER = "gather"
    REBUILD = "rebuild"
    DECRYPT = "decrypt"
    VERIFY = "verify"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened between the death of an incarnation and the next one's work.

    Attributes:
        old: incarnation that died; None when the head was started for the first time.
        new: incarnation that took over.
        reason: why the old one was given up, as the agent says it.
        stages: seconds of each stage that was measured.
        states: how many states were brought back, and `state_bytes` of how many bytes.
        tickets: how many tickets were verified again; `recomputed` of them by running the kernel.
        problem: `{code, message}` of what keeps the head out of service, else None.
    """

    head: str
    old: int | None
    new: int
    reason: str
    stages: Mapping[Stage, float] = field(default_factory=dict)
    states: int = 0
    state_bytes: int = 0
    tickets: int = 0
    recomputed: int = 0
    problem: Mapping[str, str] | None = None

    @property
    def seconds(self) -> float:
        """Sum of all stages."""
        return sum(self.stages.values())

    def after(self, stage: Stage, seconds: float) -> Self:
        """The same timeline with `seconds` more in a stage."""
        spent = self.stages.get(stage, 0.0) + max(0.0, seconds)
        return replace(self, stages={**self.stages, stage: spent})

    def as_json(self) -> dict[str, JSONValue]:
        """As head events, `chimera heads history --json` and a run's metadata have it."""
        return {
            "schema": SCHEMA,
            "head": self.head,
            "old": self.old,
            "new": self.new,
            "reason": self.reason,
            "seconds": round(self.seconds, 6),
            "stages": [
                {"stage": str(stage), "seconds": round(self.stages[stage], 6)}
                for stage in Stage
                if stage in self.stages
            ],
            "states": self.states,
            "state_bytes": self.state_bytes,
            "tickets": self.tickets,
            "recomputed": self.recomputed,
            "problem": None if self.problem is None else dict(self.problem),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `as_json`.

        Raises:
            ValueError: another schema, or not its fields.
        """
        if value.get("schema") != SCHEMA:
            raise ValueError(f"not a {SCHEMA}: {value.get('schema')!r}")
        try:
            stages = {Stage(item["stage"]): float(item["seconds"]) for item in value["stages"]}
            return cls(
                head=str(value["head"]),
                old=None if value["old"] is None else int(value["old"]),
                new=int(value["new"]),
                reason=str(value["reason"]),
                stages=stages,
                states=int(value["states"]),
                state_bytes=int(value["state_bytes"]),
                tickets=int(value["tickets"]),
                recomputed=int(value["recomputed"]),
                problem=value["problem"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a {SCHEMA}: {error}") from None

    def line(self) -> str:
        """One line for a log: what happened, how long it took, and where the time went."""
        what = f"{self.head} #{self.new}"
        if self.old is not None:
            what = f"{self.head} #{self.old} → #{self.new}"
        parts = ", ".join(
            f"{stage} {_shown(self.stages[stage])}" for stage in Stage if stage in self.stages
        )
        return f"{what} in {_shown(self.seconds)} ({self.reason}): {parts or 'nothing measured'}"


class Stopwatch:
    """Measures stages of one process into a timeline; a stage may come more than once."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    @contextmanager
    def stage(self, stage: Stage | str) -> Iterator[None]:
        """Time what runs inside, whether it succeeds or not."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.timeline = self.timeline.after(Stage(stage), time.monotonic() - begun)

    def add(self, seconds: Mapping[str, float]) -> None:
        """Take over what someone else measured, by stage."""
        for stage, spent in seconds.items():
            self.timeline = self.timeline.after(Stage(stage), spent)

    def note(self, **changes: Any) -> None:
        """Set further fields of the timeline."""
        self.timeline = replace(self.timeline, **changes)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
