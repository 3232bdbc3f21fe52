"""What becomes of each step between Dagster, which launches it, and the head that runs it.

    launched by Dagster -> waiting -> running.todo -> ended
    dispatched with an earlier phase -> ahead (until Dagster launches it) -> as above
    ahead and running when its head died -> lost (until Dagster launches it) -> retry event

Dagster asks whether a step is healthy. It must be called so until Dagster has read the terminal
event that we wrote, or it writes a second one and the run is lost: hence `ended`.

Everything here is called with the fleet's lock held.
"""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    ExecuteStepArgs,
    ExecutionPlan,
    SerializableErrorInfo,
)
from chimera_pipelines.defs.executor.chains import Chains, Dispatch
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.defs.executor.options import Options
from chimera_pipelines.defs.executor.run_log import RunLog
from chimera_pipelines.defs.ops import ASKED_TAG, CRITICAL_TAG, KERNEL_TAG, WORK_TAG
from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.scheduling.attempt import MAX_FAULTS

DIED, IDLED = "CHIM630", "CHIM637"


class Steps:
    """Every step that Dagster has launched or that a head runs ahead of it."""

    def __init__(
        self,
        plan: ExecutionPlan,
        log: RunLog,
        queue: Dispatching,
        options: Options,
    ) -> None:
        self._plan, self._log, self.queue = plan, log, queue
        self._chains = Chains(plan)
        self._options = options
        self._sent = 0
        self._ended: set[str] = set()
        self._deaths: dict[str, int] = {}
        self._ran_on: dict[str, str] = {}
        self._faults: dict[str, int] = {}
        self._lost: dict[str, tuple[ChimeraError, bool]] = {}
        self.args: dict[str, ExecuteStepArgs] = {}
        self.ahead: set[str] = set()
        self.overdue: dict[str, ChimeraError] = {}

    # What Dagster says.

    def launched(self, args: ExecuteStepArgs) -> None:
        """Dagster wants a step run, which may run already."""
        key = only(args)
        self.args[key] = args
        if key in self.ahead:
            self.ahead.discard(key)
        elif key in self._lost:
            error, from_outside = self._lost.pop(key)
            self._retry(key, error, from_outside=from_outside)
        else:
            self._ended.discard(key)
            self._enqueue(key, first=key in self._deaths or key in self._faults)

    def healthy(self, args: ExecuteStepArgs) -> bool:
        """Whether the step waits, runs, or has ended without Dagster having read of it."""
        key = only(args)
        self.args[key] = args
        self.ahead.discard(key)  # on resume Dagster counts it as launched from here on
        works = (*self.queue.running.values(), *self.queue.waiting)
        return key in self._ended or any(key in work.keys for work in works)

    def saw(self, events: Sequence[dg.DagsterEvent]) -> None:
        """Dagster has read these events; when a run is resumed, all that there were."""
        self._chains.saw(events)
        for event in events:
            key = event.step_key
            if key is None:
                continue
            if event.event_type is dg.DagsterEventType.STEP_WORKER_STARTED:
                self._ran_on[key] = str(event.engine_event_data.metadata["head"].value)
            elif event.is_step_up_for_retry and not _is_ours(event.step_retry_data.error):
                self.queue.failed(key, self._ran_on.get(key, ""))

    def assign(self, work: Dispatch, head: str) -> None:
        """A head gets the dispatch, and with it steps that Dagster has not launched."""
        self.queue.assign(work, head)
        self.ahead.update(work.keys[1:])

    def unassign(self, head: str) -> None:
        """The head was gone before it had the dispatch."""
        self.ahead.difference_update(self.queue.running[head].keys[1:])
        self.queue.unassign(head)

    # What heads say.

    def started(self, head: str, key: str) -> None:
        """A head has written that the step started."""
        work = self.queue.running[head]
        work.current, work.started = key, time.monotonic()

    def ended(self, head: str, key: str) -> None:
        """A head has written how the step ended."""
        work = self.queue.running[head]
        work.current = None
        if key in work.todo:
            work.todo.remove(key)
        self.overdue.pop(key, None)
        self._ended.add(key)

    def is_news(self, head: str, key: str, *, success: bool) -> bool:
        """Whether Dagster should read at once that the step ended.

        While heads leave no core free, it learns of most phases together with the last one: the
        less the run's worker does, the faster they are, and nothing else waits for those phases.
        """
        running = self.queue.running
        crowded = len(running) >= len(os.sched_getaffinity(0))
        return not success or not crowded or self._chains.awaited(key, running[head].keys)

    def adopted(self, head: str, work: str, payload: Mapping[str, Any], done: set[str]) -> None:
        """A head still runs what the run's former worker gave it."""
        keys = [key for key in payload["keys"] if key not in done]
        if not keys:
            return
        found = Dispatch(work, keys, (head,), time.monotonic(), sent=True, todo=keys[:])
        self.queue.running[head] = found
        self.ahead.update(keys)

    def rested(self, head: str, failed: str | None, error: ChimeraError | None) -> None:
        """A dispatch is over; `todo` holds what it did not finish."""
        work = self.queue.running.pop(head)
        nothing = work.todo == work.keys
        ahead = self._fall_back(work)
        for key in work.todo:
            if key in ahead:
                if key == failed and error is not None:
                    self._lost[key] = error, False
            elif key == failed and error is not None:
                self._fail(key, error)
            elif nothing and key == work.keys[0]:  # to queue it again alone would never end
                self._retry(key, HeadUnavailableError(IDLED, f"{head} did not run '{key}'"))
            else:
                self._enqueue(key)

    def died(self, head: str, reason: str, *, from_outside: bool = False) -> None:
        """The head is gone: what ran goes to Dagster's queue again, what waited to ours.

        Args:
            head: its id.
            reason: what the agent saw.
            from_outside: no step brings about a death of this kind.
        """
        self.queue.forget_registers(head)
        work = self.queue.running.get(head)
        if work is None:
            return
        if not work.sent:
            self.unassign(head)
            return
        del self.queue.running[head]
        ahead = self._fall_back(work)
        for key in work.todo:
            error = HeadUnavailableError(DIED, f"{head} died: {reason}")
            if key in ahead:
                if key == work.current and self._log.has_ended(key):
                    self.ahead.add(key)  # its events wait until Dagster launches it
                elif key == work.current:
                    self._lost[key] = error, from_outside
            elif key == work.current:
                self._retry(key, error, from_outside=from_outside)
            else:  # launched, not started
                self._enqueue(key, first=True)

    def nowhere(self, work: Dispatch, error: ChimeraError) -> None:
        """No head will run the dispatch: its step fails, and so what waits for it is skipped."""
        self.queue.waiting.remove(work)
        self._fail(work.keys[0], error)

    # What follows.

    def _fall_back(self, work: Dispatch) -> set[str]:
        """The steps of a dispatch that Dagster has not launched; they are ahead no more."""
        ahead = self.ahead.intersection(work.todo)
        self.ahead -= ahead
        return ahead

    def _retry(self, key: str, error: ChimeraError, *, from_outside: bool = False) -> None:
        """The step of a dead head: back to Dagster's queue, or failed when it kills every head."""
        self._ended.add(key)
        if self._log.has_ended(key):  # it died after its last event, before it told us
            return
        deaths = self._faults if from_outside else self._deaths
        deaths[key] = deaths.get(key, 0) + 1
        if key in self.overdue:
            self._log.failed(key, self.overdue.pop(key))
        elif deaths[key] > (MAX_FAULTS if from_outside else self._options.max_regenerations):
            text = f"'{key}' is given up after {deaths[key]} tries; the last one: {error.message}"
            hint = "see agent.log in the folder of the heads; it may need more memory than there is"
            self._log.failed(key, HeadUnavailableError(error.code, text, hint=hint))
        else:
            self._log.up_for_retry(key, error)

    def _fail(self, key: str, error: ChimeraError) -> None:
        self._ended.add(key)
        if not self._log.has_ended(key):
            self._log.failed(key, self.overdue.pop(key, error))

    def _enqueue(self, key: str, *, first: bool = False) -> None:
        step = self._plan.get_step_by_key(key)
        if self._options.chain:
            keys, heads = self._chains.start_from(step, self._taken())  # type: ignore[arg-type]
        else:
            keys, heads = [key], self._chains.heads_of(step)  # type: ignore[arg-type]
        self._sent += 1
        tags = step.tags or {}
        work = Dispatch(
            f"{self.args[key].run_id}:{self._sent}:{time.time_ns()}",
            keys,
            heads,
            time.monotonic(),
            first,
            critical=tags.get(CRITICAL_TAG) == "true",
            kernel=tags.get(KERNEL_TAG, ""),
            work=tags.get(WORK_TAG, ""),
            tags=tuple(tag for tag in tags.get(ASKED_TAG, "").split(",") if tag),
        )
        self.queue.waiting.append(work)

    def _taken(self) -> set[str]:
        """Steps that are some dispatch's already."""
        works = (*self.queue.running.values(), *self.queue.waiting)
        return self.ahead.union(*(work.keys for work in works))


def _is_ours(error: SerializableErrorInfo | None) -> bool:
    """Whether a step is up for retry because its head died, or did not run it."""
    return error is not None and error.cls_name in (DIED, IDLED)


def only(args: ExecuteStepArgs) -> str:
    """The one step of Dagster's arguments."""
    keys = args.step_keys_to_execute
    if keys is None or len(keys) != 1:
        raise dg.DagsterInvariantViolationError(f"one step was to be launched, not {keys}")
    return keys[0]
