"""Kernels in head processes: given out when a head is free, taken up again when one dies.

One thread schedules: it takes events from a mailbox and changes the state of attempts, so that
nothing here needs a lock. The records of ended phases are kept here; a kernel whose head died goes
on from the phase that was interrupted, on whatever head is free. One that takes a head down with it
again and again fails (CHIM760), as does one whose head does not answer when its time is up
(MAML902); that head is replaced, since a call into a simulator cannot be interrupted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.errors import ChimeraError, KernelError, Where
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.lifecycle.run import INTERRUPTED
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.attempt import GRACE_S, Attempt, OnHead
from chimera_pipelines.scheduling.giving import Giving
from chimera_pipelines.scheduling.mailbox import Broken, Event, Said, Stopped, Up
from chimera_pipelines.scheduling.run_report import KernelReport

TICK_S = 1.0
WAITING_S = 5.0
"""After so long without any head that may run it, a kernel that waits is spoken of."""
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Dispatcher(Giving):
    """Runs the kernels of a run in head processes."""

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

    def _take(self, event: Event | None) -> None:
        match event:
            case Up():
                self._placing.changed(event.head)
                self._came_back(event)
                self._welcome(event.head)
            case Said() if event.frame["is"] == "regenerated":
                self._resumptions.regenerated(event.head, event.frame["timeline"])
            case Said():
                self._heard(event.head, event.frame)
            case Death():
                self._died(event)
            case Broken():
                self._broke(event.error)
            case Stopped():
                self._stop()

    def _heard(self, head: str, frame: Mapping[str, Any]) -> None:
        attempt = self._of(frame.get("work"))
        if attempt is None:
            if frame["is"] == "rest":
                self._ready(head, frame["work"])
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
        elif not frame.get("ends"):
            self._fail(attempt, error_of(told or {}))
        elif not attempt.on.begun:
            attempt.back(self.clock())  # the head ends too, and its death tells of this no more

    def _died(self, death: Death) -> None:
        self._placing.changed(death.head)
        if death.final:
            self._placing.lost[death.head] = death
        mine = [a for a in self._attempts.values() if a.on is not None and a.on.was_with(death)]
        begun = frozenset(a.kernel.name for a in mine if a.on is not None and a.on.begun)
        self._resumptions.died(death.head, begun)
        for attempt in mine:
            self._lost_head(attempt, death)

    def _lost_head(self, attempt: Attempt, death: Death) -> None:
        on = attempt.on
        assert on is not None  # noqa: S101 - whoever calls has looked
        attempt.unsure = attempt.unsure or (on.begun and not death.known)
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
        attempt.interrupted(self.clock(), from_outside=death.from_outside)
        if attempt.deadly:
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
        """No head will come any more: nothing goes on.

        Heads may live all the same, when it was a thread of ours that failed.
        """
        self.state.run.stop(f"{error.code} {error.message}")
        begun = {a.kernel.name: a.on.head for a in self._attempts.values() if a.on and a.on.begun}
        ended = self.heads.fence(set(begun.values()), "its run ends") if begun else set()
        for attempt in list(self._attempts.values()):
            head = begun.get(attempt.kernel.name)
            attempt.unsure = attempt.unsure or (head is not None and head not in ended)
            if attempt.again or head is not None:
                self._abandon(attempt, None, error)
            else:
                kernel = attempt.kernel
                number = attempt.number - 1
                self._end(attempt, KernelReport(kernel, "failed", error=error, attempts=number))

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

    def _speak_of(self, attempt: Attempt, now: float) -> None:
        """Say what a kernel waits for when no head that may run it is there."""
        name = attempt.kernel.name
        late = now - attempt.since > WAITING_S and name not in self._spoken
        if late and not set(self.heads.up()) & set(attempt.kernel.heads):
            self._spoken.add(name)
            _LOG.warning("'%s' waits for %s", name, self._placing.waits_for(attempt))
