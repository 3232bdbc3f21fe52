"""A kernel on its way over heads: what of it has been done, and where it is now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError, KernelError
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.lifecycle import attempts
from chimera_pipelines.lifecycle.records import Invocation, Outcome, PhaseRecord
from chimera_pipelines.lifecycle.run import FailedAttempt
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.kernel_task import read_record
from chimera_pipelines.scheduling.run_report import KernelReport

MAX_REGENERATIONS = 3
MAX_FAULTS = 12
"""Deaths in one phase that no kernel brings about, after which no head is tried any more."""
GRACE_S = 10.0
"""How long a head may take to end a kernel whose time is up, or that was stopped."""


@dataclass(slots=True)
class OnHead:
    """The kernel is with a head.

    Attributes:
        work: id of the work.
        begun: the head has begun a phase of it.
        phase_since: when the present phase began, by the monotonic clock; None between phases.
        stop_at: when its head is replaced unless it has stopped; None while nobody stops it.
        doomed: why its head is being replaced.
    """

    head: str
    work: str
    begun: bool = False
    phase_since: float | None = None
    stop_at: float | None = None
    doomed: KernelError | None = None

    def was_with(self, death: Death) -> bool:
        """Whether it was with the process that is dead, and not with the one after it.

        That one may be up before we are told of the death. What it begins it tells us later.
        """
        return self.head == death.head and (self.begun or self.work in death.works)


@dataclass(slots=True)
class Attempt:
    """The present attempt of a kernel.

    Attributes:
        number: 1 for the first.
        phase: the one that runs next, or now.
        record: what the phase before it left, as JSON.
        again: a head began this attempt and died in it.
        deaths: heads that died in it since a phase of it ended last.
        faults: how many of those deaths came from outside.
        since: when it began to wait for a head.
        avoid: heads on which attempts of it failed.
        unsure: a head that began it may live, and sign for it yet.
        died_at: when the head died that it was on, until another one goes on with it.
        before: how the kernel ended if this attempt never begins; None for the first.
    """

    kernel: KernelSpec
    upstream: Mapping[str, JSONValue]
    since: float
    number: int = 1
    phase: Phase = Phase.DESERIALIZE
    record: Mapping[str, Any] | None = None
    again: bool = False
    deaths: list[str] = field(default_factory=list)
    faults: int = 0
    avoid: tuple[str, ...] = ()
    on: OnHead | None = None
    outcome: Outcome | None = None
    error: ChimeraError | None = None
    failure: FailedAttempt | None = None
    unsure: bool = False
    died_at: float | None = None
    before: KernelReport | None = None

    @property
    def spent_s(self) -> float:
        """Seconds of this attempt in the phases that have ended."""
        return 0.0 if self.record is None else sum(self.record["invocation"]["seconds"].values())

    @property
    def invocation(self) -> Invocation | None:
        """As the last phase that ended left it; None before."""
        if self.record is None:
            return None
        record = read_record(self.record)
        return record.invocation if isinstance(record, PhaseRecord) else None

    def deadline(self, now: float, left_s: float) -> float:
        """When its head is taken for one that does not answer.

        Args:
            now: by the monotonic clock.
            left_s: of the whole run.
        """
        on = self.on
        if on is None or on.doomed is not None:
            return math.inf
        if on.stop_at is not None:
            return on.stop_at
        if on.phase_since is None:
            return math.inf
        mine = on.phase_since + max(0.0, self.kernel.timeout_s - self.spent_s)
        return min(mine, now + max(0.0, left_s)) + GRACE_S

    def begin(self, phase: Phase, now: float) -> None:
        """A phase has begun."""
        assert self.on is not None  # noqa: S101 - frames come from the head that has it
        self.on.begun, self.on.phase_since = True, now
        self.phase = phase

    def end(self, frame: Mapping[str, Any]) -> None:
        """A phase has ended: take its record, outcome or error."""
        assert self.on is not None  # noqa: S101 - frames come from the head that has it
        self.on.phase_since = None
        if "error" in frame:
            self.error = error_of(frame["error"])
            failure = frame["failure"]
            self.failure = None if failure is None else attempts.from_json(failure)
            return
        self.deaths.clear()
        self.faults = 0
        if self.phase is Phase.FEEDBACK:
            self.outcome = Outcome.from_json(frame["record"])
            return
        self.record = frame["record"]
        self.phase = PHASES[PHASES.index(self.phase) + 1]

    @property
    def deadly(self) -> bool:
        """Whether it has taken so many heads with it that it gets no more."""
        own = len(self.deaths) - self.faults
        return own > MAX_REGENERATIONS or self.faults > MAX_FAULTS

    def interrupted(self, now: float, *, from_outside: bool) -> None:
        """Its head died in the middle of a phase; another one goes on with that."""
        assert self.on is not None  # noqa: S101 - it was there
        self.deaths.append(self.on.head)
        self.faults += from_outside
        self.again, self.on, self.since, self.died_at = True, None, now, now
        self.error = self.failure = None

    def back(self, now: float) -> None:
        """Its head died, or gave it back, before it had begun."""
        self.on, self.since = None, now

    def failed(self, error: ChimeraError) -> KernelReport:
        """How the kernel ends if this attempt was its last."""
        head = self.on.head if self.on is not None else None
        number, failure = self.number, self.failure
        return KernelReport(self.kernel, "failed", None, error, number, failure, head)

    def retry(self, now: float, error: ChimeraError) -> None:
        """Begin the next attempt."""
        self.before = self.failed(error)
        if self.on is not None:
            self.avoid = (*self.avoid, self.on.head)
        self.number += 1
        self.phase, self.record = Phase.DESERIALIZE, None
        self.on = self.error = self.failure = None
        self.again, self.unsure, self.since = False, False, now
