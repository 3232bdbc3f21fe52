"""Giving kernels to heads, and what becomes of them: the half of the dispatcher that acts.

A kernel waits as an attempt until a head is free that may run it. It ends with a report: by its
outcome, by an error that allows no further attempt, or because nothing more may start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError, KernelError, Where
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling import endings
from chimera_pipelines.scheduling.attempt import Attempt, OnHead
from chimera_pipelines.scheduling.kernel_task import KernelTask, RunTask
from chimera_pipelines.scheduling.mailbox import Mailbox
from chimera_pipelines.scheduling.performers import KERNEL
from chimera_pipelines.scheduling.placing import Heads, Placing
from chimera_pipelines.scheduling.resumption import Resumptions, recorder
from chimera_pipelines.scheduling.router import NoHeadError, Router
from chimera_pipelines.scheduling.run_report import KernelReport
from chimera_pipelines.scheduling.run_state import RunState

_READY = ":ready"
_SOON = 2
"""Dependents of a kernel that heads may get ready for while it runs."""


@dataclass(slots=True)
class Giving:
    """Kernels of a run that wait, are given out, and end.

    Attributes:
        required: heads that are being started already.
        regenerations: deaths that interrupted kernels, as `chimera.run/1` shows them.
    """

    state: RunState
    heads: Heads
    mailbox: Mailbox
    router: Router
    required: Collection[str] = ()
    clock: Callable[[], float] = time.monotonic
    regenerations: list[dict[str, Any]] = field(default_factory=list)
    _placing: Placing = field(init=False)
    _resumptions: Resumptions = field(init=False)
    _attempts: dict[str, Attempt] = field(default_factory=dict)
    _spoken: set[str] = field(default_factory=set)
    _numbers: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self._placing = Placing(self.heads, self.router, self.required, self.clock)
        ledger = self.state.run.services.settings.ledger
        self._resumptions = Resumptions(recorder(ledger), self.clock)

    def get_ready(self) -> None:
        """Let heads that are up begin what the first kernels need; before the run is granted."""
        for kernel in self.state.ready():
            self._get_ready(kernel.name, self._placing.target(kernel))

    def _queued(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts.values() if attempt.on is None]

    def _start(self) -> None:
        """Give out what can be, and have heads started for what waits."""
        for kernel in self.state.ready():
            self.state.waiting.remove(kernel)
            upstream = self.state.upstream(kernel)
            self._attempts[kernel.name] = Attempt(kernel, upstream, self.clock())
        if self.state.over:
            self._give_up()
            return
        while (found := self._next()) is not None:
            self._give(*found)
        self._placing.start_for((), self._queued())

    def _give_up(self) -> None:
        """Nothing more may start: skip what no head has begun, fail what one had."""
        for attempt in self._queued():
            if attempt.again:
                self._abandon(attempt, None, self._over_error(attempt))
            else:
                self._end(attempt, attempt.before or self.state.skipped(attempt.kernel))

    def _next(self) -> tuple[Attempt, str] | None:
        queued = self._queued()
        for attempt in queued:
            error = self._placing.hopeless(attempt)
            if error is not None:
                self._refuse(attempt, error)
                return self._next()
        try:
            return self._placing.next(queued)
        except NoHeadError as error:
            self._refuse(self._attempts[error.job.key], error)
            return self._next()

    def _refuse(self, attempt: Attempt, error: HeadUnavailableError) -> None:
        """Fail a kernel that no head will run (again)."""
        kernel = attempt.kernel
        error.where = Where(self.state.plan.document.path, kernel.line, kernel.column)
        if attempt.again:
            self._abandon(attempt, None, error)
        else:
            attempts = attempt.number - 1
            self._end(attempt, KernelReport(kernel, "failed", error=error, attempts=attempts))

    def _give(self, attempt: Attempt, head: str) -> None:
        kernel = attempt.kernel
        work = f"{self.state.run.run_id}:{kernel.name}:{next(self._numbers)}"
        dependents = self.state.dependents(kernel)
        task = replace(
            self._task(attempt),
            waited_s=max(0.0, self.clock() - attempt.since),
            soon=tuple(other.name for other in dependents if head in other.heads)[:_SOON],
        )
        if not self._perform(head, work, task):
            self._placing.silent(head)
            return
        self._placing.prepared(head)
        attempt.on = OnHead(head, work)
        self._spoken.discard(kernel.name)
        elsewhere = [other for other in dependents if head not in other.heads]
        self._placing.start_for(elsewhere)
        for other in elsewhere[:_SOON]:
            self._get_ready(other.name, self._placing.target(other))

    def _get_ready(self, kernel: str, head: str | None) -> None:
        """Let an idle head begin what takes time before a kernel that comes soon can run."""
        if head is not None:
            work = f"{self.state.run.run_id}:{kernel}{_READY}"
            if self._perform(head, work, KernelTask(self._run_task(), kernel, phase=None)):
                self._placing.preparing(head)

    def _welcome(self, head: str) -> None:
        """A head answers: if nothing waits for it, let it get ready for what will soon."""
        if any(head in attempt.kernel.heads for attempt in self._queued()):
            return
        under_way = self._attempts.keys() | self.state.reports.keys()
        for kernel in self.state.waiting:
            if self._placing.target(kernel) == head and under_way.issuperset(kernel.producers):
                self._get_ready(kernel.name, head)
                return

    def _ready(self, head: str, work: str) -> None:
        """A head is done with a work: if it got ready by that, it is."""
        if work.endswith(_READY):
            self._placing.prepared(head)

    def _perform(self, head: str, work: str, task: KernelTask) -> bool:
        payload = task.to_json()
        run = self.state.run.run_id
        return self.heads.perform(head, work, KERNEL, payload, run=run, orphan="cancel")

    def _task(self, attempt: Attempt) -> KernelTask:
        first = attempt.phase is Phase.DESERIALIZE
        return KernelTask(
            self._run_task(),
            attempt.kernel.name,
            attempt.number,
            attempt.phase,
            attempt.record,
            attempt.upstream if first else {},
            again=attempt.again,
            log_level=logging.getLogger().getEffectiveLevel(),
        )

    def _run_task(self) -> RunTask:
        run, plan = self.state.run, self.state.plan
        return RunTask(
            plan.digest,
            str(run.services.settings.root / "plans"),
            str(Path(plan.document.path).absolute()),
            run.run_id,
            run.partition,
            run.inputs,
            force=run.force,
            tier=str(run.tier),
            left_s=None if run.document.timeout_s is None else run.left_s(),
        )

    def _succeed(self, attempt: Attempt) -> None:
        outcome = attempt.outcome
        assert outcome is not None  # noqa: S101 - whoever calls has looked
        kernel = attempt.kernel
        report = KernelReport(kernel, str(outcome.status), outcome, attempts=attempt.number)
        self._end(attempt, report)

    def _fail(self, attempt: Attempt, error: ChimeraError) -> None:
        """An attempt failed: begin the next one, or report."""
        self._give_place(error)
        kernel = attempt.kernel
        if self.state.retries(kernel, error, attempt.number):
            attempt.retry(self.clock(), error)
        else:
            self._end(attempt, attempt.failed(error))

    def _give_place(self, error: ChimeraError) -> None:
        """Name the document as it was named to us: heads know it by its absolute path."""
        path = self.state.plan.document.path
        if error.where is not None and error.where.file == str(Path(path).absolute()):
            error.where = replace(error.where, file=path)

    def _end(self, attempt: Attempt, report: KernelReport) -> None:
        del self._attempts[attempt.kernel.name]
        self.state.end(report)

    def _abandon(self, attempt: Attempt, death: Death | None, error: ChimeraError) -> None:
        """End an attempt in the name of its dead head.

        While that may live nothing is signed: what it still signs stands, for whoever runs on.
        """
        if attempt.unsure:
            self._fail(attempt, error)
            return
        here = attempt.on.head if attempt.on is not None and attempt.on.begun else None
        head = here or (attempt.deaths or attempt.kernel.heads)[-1]
        number = None if death is None else death.incarnation.number
        ending = endings.abandon(self.state.run, attempt, head, number, error)
        attempt.outcome, attempt.error = ending.outcome, ending.error
        attempt.failure = ending.failure
        if attempt.outcome is not None:
            self._succeed(attempt)
        else:
            self._fail(attempt, attempt.error or error)

    def _over_error(self, attempt: Attempt) -> KernelError:
        """Why an attempt ends that was stopped, or whose time is up."""
        run, kernel = self.state.run, attempt.kernel
        where = Where(run.document.path, kernel.line, kernel.column)
        if run.stopped is not None:
            hint = "run it again; kernels that have ended well are reused"
            return KernelError(
                "MAML903",
                f"stopped: {run.stopped}",
                phase=attempt.phase,
                where=where,
                hint=hint,
            )
        whole = run.left_s() <= 0.0
        limit = f"timeout_seconds of {run.document.timeout_s:g} s" if whole else None
        return KernelError(
            "MAML902",
            limit or f"timeout of {kernel.timeout_s:g} s",
            phase=attempt.phase,
            where=where,
            hint="raise it in the front matter" if whole else "raise the kernel's timeout",
        )
