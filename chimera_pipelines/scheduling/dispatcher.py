"""Kernels in head processes: given out when a head is free, taken up again when one dies.

One thread schedules: it takes events from a mailbox and changes the state of attempts, so that
nothing here needs a lock. The records of ended phases are kept here; a kernel whose head died goes
on from the phase that was interrupted, on whatever head is free. One that takes a head down with it
again and again fails (CHIM760), as does one whose head does not answer when its time is up
(MAML902); that head is replaced, since a call into a simulator cannot be interrupted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError, KernelError, Where
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.lifecycle.run import INTERRUPTED
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling import endings
from chimera_pipelines.scheduling.attempt import GRACE_S, MAX_REGENERATIONS, Attempt, OnHead
from chimera_pipelines.scheduling.kernel_task import KernelTask, RunTask
from chimera_pipelines.scheduling.mailbox import Broken, Event, Mailbox, Said, Stopped, Up
from chimera_pipelines.scheduling.performers import KERNEL
from chimera_pipelines.scheduling.placing import Heads, Placing
from chimera_pipelines.scheduling.resumption import Resumptions, recorder
from chimera_pipelines.scheduling.router import NoHeadError, Router
from chimera_pipelines.scheduling.run_report import KernelReport
from chimera_pipelines.scheduling.run_state import RunState

TICK_S = 1.0
WAITING_S = 5.0
"""After so long without any head that may run it, a kernel that waits is spoken of."""
_SOON = 2
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Dispatcher:
    """Runs the kernels of a run in head processes.

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
        self._placing = Placing(self.heads, self.router, self.required)
        ledger = self.state.run.services.settings.ledger
        self._resumptions = Resumptions(recorder(ledger), self.clock)

    def execute(self) -> None:
        """Run every kernel; returns when all have a report."""
        run = self.state.run
        run.told = self.mailbox.stopped
        try:
            self._until_done()
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            run.stop(INTERRUPTED if interrupted else f"{type(error).__name__}")
            self.state.watch = lambda *_: None  # it may be what raised
            self._until_done()
            raise
        finally:
            run.told = lambda: None

    def _until_done(self) -> None:
        if self.state.run.stopped is not None:
            self._stop()
        while self.state.waiting or self._attempts:
            self._start()
            if self._attempts:
                self._take(self.mailbox.get(self._patience()))
                self._look_at_clocks()

    # Giving out.

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
        attempt.on = OnHead(head, work)
        self._spoken.discard(kernel.name)
        elsewhere = [other for other in dependents if head not in other.heads]
        self._placing.start_for(elsewhere)
        for other in elsewhere[:_SOON]:
            self._get_ready(other.name, self._placing.target(other))

    def _get_ready(self, kernel: str, head: str | None) -> None:
        """Let an idle head begin what takes time before a kernel that comes soon can run."""
        if head is not None:
            work = f"{self.state.run.run_id}:{kernel}:ready"
            self._perform(head, work, KernelTask(self._run_task(), kernel, phase=None))

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

    # Taking events.

    def _take(self, event: Event | None) -> None:
        match event:
            case Up():
                self._placing.changed(event.head)
                self._came_back(event)
            case Said() if event.frame["is"] == "regenerated":
                self._resumptions.regenerated(event.head, event.frame["timeline"])
            case Said():
                self._heard(event.frame)
            case Death():
                self._died(event)
            case Broken():
                self._broke(event.error)
            case Stopped():
                self._stop()

    def _heard(self, frame: Mapping[str, Any]) -> None:
        attempt = self._of(frame.get("work"))
        if attempt is None:
            return
        match frame["is"]:
            case "start":
                self._resumed(attempt)
                attempt.begin(Phase(frame["phase"]), self.clock())
                self.state.watch(attempt.kernel.name, attempt.phase, None)
            case "end":
                phase = Phase(frame["phase"])
                attempt.end(frame)
                if attempt.error is None:
                    self.state.watch(attempt.kernel.name, phase, float(frame["seconds"]))
            case "log":
                logging.getLogger(frame["logger"]).log(frame["level"], "%s", frame["message"])
            case "rest":
                self._rested(attempt, frame)

    def _of(self, work: str | None) -> Attempt | None:
        on_head = (a for a in self._attempts.values() if a.on is not None and a.on.work == work)
        return next(on_head, None)

    def _rested(self, attempt: Attempt, frame: Mapping[str, Any]) -> None:
        """A head is done with a kernel, or will do nothing more for it."""
        assert attempt.on is not None  # noqa: S101 - its frames come from a head
        told = frame.get("error")
        if attempt.outcome is None and attempt.error is None and told is None:
            if attempt.on.begun and not self.state.over:
                self._fail(attempt, KernelError("MAML903", "the head gave it back unfinished"))
            else:
                attempt.back(self.clock())  # it was cancelled before it began
            return
        if attempt.outcome is not None:
            self._succeed(attempt)
        elif attempt.error is not None:
            self._fail(attempt, attempt.error)
        elif frame.get("ends"):
            return  # the head ends too: its death decides
        else:
            self._fail(attempt, error_of(told or {}))

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

    # Deaths.

    def _died(self, death: Death) -> None:
        self._placing.changed(death.head)
        if death.final:
            self._placing.lost[death.head] = death.reason
        mine = [a for a in self._attempts.values() if a.on is not None and a.on.head == death.head]
        begun = frozenset(a.kernel.name for a in mine if a.on is not None and a.on.begun)
        self._resumptions.died(death.head, begun)
        for attempt in mine:
            self._lost_head(attempt, death)

    def _lost_head(self, attempt: Attempt, death: Death) -> None:
        on = attempt.on
        assert on is not None  # noqa: S101 - whoever calls has looked
        if attempt.outcome is not None:  # all was told but that the head rests
            self._succeed(attempt)
        elif on.doomed is not None:
            self._abandon(attempt, death, on.doomed)
        elif attempt.error is not None:
            self._fail(attempt, attempt.error)
        elif not on.begun:
            attempt.back(self.clock())
        else:
            self._interrupt(attempt, death)

    def _interrupt(self, attempt: Attempt, death: Death) -> None:
        name = attempt.kernel.name
        self.regenerations.append(
            {
                "head": death.head,
                "incarnation": death.incarnation.number,
                "reason": death.reason,
                "kernel": name,
                "phase": str(attempt.phase),
            }
        )
        attempt.interrupted(self.clock())
        if len(attempt.deaths) > MAX_REGENERATIONS:
            self._abandon(attempt, death, self._deadly(attempt, death))
            return
        _LOG.warning(
            "%s died in %s of '%s' (%s); the kernel goes on from there",
            *(death.head, attempt.phase, name, death.reason),
        )

    def _deadly(self, attempt: Attempt, death: Death) -> KernelError:
        kernel = attempt.kernel
        return KernelError(
            "CHIM760",
            f"kernel '{kernel.name}' ended {len(attempt.deaths)} head processes, "
            f"the last one {death.head}: {death.reason}",
            phase=attempt.phase,
            where=Where(self.state.plan.document.path, kernel.line, kernel.column),
            hint="see agent.log in the folder of the heads; it may need more memory than there is",
        )

    def _abandon(self, attempt: Attempt, death: Death | None, error: ChimeraError) -> None:
        """End an attempt in the name of its dead head."""
        head = (death.head if death else None) or (attempt.deaths or attempt.kernel.heads)[-1]
        number = None if death is None else death.incarnation.number
        ending = endings.abandon(self.state.run, attempt, head, number, error)
        attempt.outcome, attempt.error = ending.outcome, ending.error
        attempt.failure = ending.failure
        if attempt.outcome is not None:
            self._succeed(attempt)
        else:
            self._fail(attempt, attempt.error or error)

    def _resumed(self, attempt: Attempt) -> None:
        """A head goes on with a kernel that a death had interrupted: note how long that took."""
        if attempt.died_at is not None and self.regenerations:
            mine = [one for one in self.regenerations if one["kernel"] == attempt.kernel.name]
            mine[-1]["seconds"] = round(self.clock() - attempt.died_at, 6)
            attempt.died_at = None
            assert attempt.on is not None  # noqa: S101 - its frames come from a head
            timeline = self._resumptions.started(attempt.on.head, attempt.kernel.name)
            if timeline is not None:
                mine[-1]["timeline"] = timeline.as_json()
                _LOG.info("%s", timeline.line())

    def _came_back(self, event: Up) -> None:
        """The newer incarnation of a head answers."""
        self._placing.lost.pop(event.head, None)
        self._resumptions.up(event.head, event.incarnation.agent)

    def _broke(self, error: ChimeraError) -> None:
        """No head will come any more: nothing goes on."""
        self.state.run.stop(f"{error.code} {error.message}")
        for attempt in list(self._attempts.values()):
            if attempt.again or (attempt.on is not None and attempt.on.begun):
                self._abandon(attempt, None, error)
            else:
                kernel = attempt.kernel
                number = attempt.number - 1
                self._end(attempt, KernelReport(kernel, "failed", error=error, attempts=number))

    # Clocks.

    def _stop(self) -> None:
        """The run was stopped: have heads stop what they do for it."""
        reason = self.state.run.stopped or INTERRUPTED
        for attempt in self._attempts.values():
            on = attempt.on
            if on is not None and on.stop_at is None:
                on.stop_at = self.clock() + (GRACE_S if on.begun else TICK_S)
                self.heads.cancel(on.head, on.work, reason)

    def _patience(self) -> float:
        """How long to wait for an event."""
        now, left = self.clock(), self.state.run.left_s()
        nearest = min((a.deadline(now, left) for a in self._attempts.values()), default=now)
        return max(0.0, min(TICK_S, nearest - now))

    def _look_at_clocks(self) -> None:
        now, left = self.clock(), self.state.run.left_s()
        for attempt in list(self._attempts.values()):
            if attempt.on is None:
                self._speak_of(attempt, now)
            elif now >= attempt.deadline(now, left):
                self._overdue(attempt, attempt.on)

    def _overdue(self, attempt: Attempt, on: OnHead) -> None:
        """A head does not end what it should have ended by now."""
        if not on.begun:
            attempt.back(self.clock())  # cancelled in the queue of a head that works for others
            return
        on.doomed = self._over_error(attempt)
        name = attempt.kernel.name
        _LOG.warning("%s does not end '%s' (%s); it is replaced", on.head, name, on.doomed.message)
        self.heads.fault(on.head, f"does not end kernel '{name}': {on.doomed.message}")

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

    def _speak_of(self, attempt: Attempt, now: float) -> None:
        """Say what a kernel waits for when no head that may run it is there."""
        name = attempt.kernel.name
        late = now - attempt.since > WAITING_S and name not in self._spoken
        if late and not set(self.heads.up()) & set(attempt.kernel.heads):
            self._spoken.add(name)
            _LOG.warning("'%s' waits for %s", name, self._placing.waits_for(attempt))
