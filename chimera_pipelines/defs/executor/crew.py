"""The heads that work for one run: told of, given work, interrupted, followed through deaths.

The fleet calls `up`, `frame`, `down` and `broken` from its threads, with `Fleet.lock` held, which
guards everything here. `news` wakes the executor's loop.
"""

import math
import threading
import time
from contextlib import suppress
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    ExecutionPlan,
    PlanOrchestrationContext,
    copy_record,
    serialize_value,
)
from chimera_pipelines.defs.event_log import under_dagster_home
from chimera_pipelines.defs.executor import performer
from chimera_pipelines.defs.executor.chains import Dispatch
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.defs.executor.options import Options
from chimera_pipelines.defs.executor.run_log import RunLog
from chimera_pipelines.defs.executor.steps import Steps
from chimera_pipelines.defs.executor.waits import Waits
from chimera_pipelines.defs.metadata import timeline_metadata
from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads.fleet import AgentHandle, Death, Fleet, Incarnation
from chimera_pipelines.heads.timeline import Timeline
from chimera_pipelines.heads.wire import Message
from chimera_pipelines.scheduling.resumption import Resumptions, recorder
from chimera_pipelines.scheduling.router import NoHeadError
from chimera_pipelines.settings import settings

CANCEL_SECONDS = 10.0
DEAF_SECONDS = 5.0  # a step that was interrupted and goes on for longer loses its head


class Crew:
    """Heads, the queue in front of them, and the steps that they run.

    Attributes:
        log: the run's event log.
        news: set when Dagster's loop has something to read or to launch.
        stopping: nothing more is dispatched.
    """

    def __init__(
        self,
        context: PlanOrchestrationContext,
        plan: ExecutionPlan,
        agent: AgentHandle,
        queue: Dispatching,
        options: Options,
    ) -> None:
        self.run_id = context.run_id
        self.log = RunLog(context, plan)
        self.queue = queue
        self.steps = Steps(plan, self.log, queue, options)
        self.waits = Waits(
            plan.get_steps_to_execute_in_topo_order(),
            self.log,
            context.plan_data.instance,
            options.pool_seconds,
        )
        self.news = threading.Event()
        self.stopping = False
        self._broken: ChimeraError | None = None
        self._answering: set[str] = set()
        self._required: set[str] = set()
        self._interrupted: dict[str, float] = {}
        self._busy_with: dict[str, str] = {}
        self._resumptions = Resumptions(recorder(settings().ledger))
        self.fleet = Fleet(agent, events=self)

    def adopt(self) -> None:
        """Take over what heads still do for a run whose former worker is gone."""
        for found in self.fleet.adopt(self.run_id):
            if found.performer == performer.NAME:
                with self.fleet.lock:
                    done = {str(frame["key"]) for frame in found.ended}
                    self.steps.adopted(found.head, found.work, found.payload, done)
                    if found.current is not None and found.head in self.queue.running:
                        self.steps.started(found.head, found.current)
                    self._required.add(found.head)

    # FleetEvents: called by the fleet's threads, with its lock held.

    def up(self, head: str, incarnation: Incarnation) -> None:
        """A head answers."""
        self._answering.add(head)
        self.queue.came_back(head)
        self._resumptions.up(head, incarnation.agent)
        self.log.say(
            f"{head} joins the run, incarnation {incarnation.number}", _shown(head, incarnation)
        )
        work = self.queue.running.get(head)
        if work is not None and not work.sent:
            if head in self.fleet.idle():
                self._send(work, head)
            else:  # another run was faster
                self.steps.unassign(head)
        self.dispatch()

    def frame(self, head: str, message: Message) -> None:
        """A head says something."""
        frame = message.frame
        if frame["is"] in ("busy", "idle"):
            self._busy_with[head] = frame.get("work") or ""
        if frame["is"] == "regenerated":
            self._came_back(self._resumptions.regenerated(head, frame["timeline"]))
        work = self.queue.running.get(head)
        if work is not None and frame.get("work") == work.id:
            if frame["is"] == "start":
                self.steps.started(head, frame["key"])
                self._came_back(self._resumptions.started(head, frame["key"]), frame["key"])
                return
            if frame["is"] == "end":
                self.steps.ended(head, frame["key"])
                if self.steps.is_news(head, frame["key"], success=frame["success"]):
                    self.news.set()
                return
            if frame["is"] == "rest":
                self.steps.rested(head, *_failed(frame, head, work.todo, stopped=self.stopping))
                self.news.set()
        self.dispatch()

    def down(self, head: str, death: Death) -> None:
        """A head is gone."""
        self._answering.discard(head)
        self._busy_with.pop(head, None)
        if not self.stopping:
            error = _error_of(death)
            self.log.say(error.message, _shown(head, death.incarnation), error=error)
            self._resumptions.died(head, frozenset(filter(None, [death.step])))
            self.steps.died(head, death.reason, from_outside=death.from_outside)
            if death.final:
                self.queue.give_up(death)
            self.news.set()
        self.dispatch()

    def _came_back(self, timeline: Timeline | None, step: str | None = None) -> None:
        """Show how a head came back that died in this run, and which step goes on there."""
        if timeline is not None:
            self.log.say(timeline.line(), timeline_metadata(timeline), step=step)

    def broken(self, error: ChimeraError) -> None:
        """No head will answer any more; `wait` raises it in the executor's loop."""
        self._broken = error
        self.news.set()

    def dispatch(self) -> None:
        """Give away what can be given away; a head that is not up is started for it."""
        while not self.stopping:
            try:
                picked = self._pick()
            except NoHeadError as error:
                self.steps.nowhere(self.queue.waiting_by(error.job.key), error)
                self.news.set()
                continue
            if picked is None:
                break
            work, head = picked
            self.steps.assign(work, head)
            if head in self._answering:
                self._send(work, head)
            else:
                self.require(head)

    def _send(self, work: Dispatch, head: str) -> None:
        key = work.keys[0]
        waited = time.monotonic() - work.since
        self.log.starting(
            work.keys,
            head,
            {"head": dg.MetadataValue.text(head), "queue_ms": round(waited * 1000, 3)},
        )
        args = copy_record(self.steps.args[key], step_keys_to_execute=work.keys)
        payload: dict[str, Any] = {
            "args": serialize_value(args),
            "keys": work.keys,
            "home": under_dagster_home(""),
        }
        work.sent = self.fleet.perform(head, work.id, performer.NAME, payload, run=self.run_id)
        if not work.sent:  # it has just died: `down` follows
            self._answering.discard(head)
            self.steps.unassign(head)

    def _pick(self) -> tuple[Dispatch, str] | None:
        idle = [head for head in self.fleet.idle() if head in self._answering]
        warm = [head for head, entry in self.fleet.entries().items() if entry.answers]
        return self.queue.pick(idle, self._required, warm)

    def require(self, *heads: str) -> None:
        """Follow these heads; start those that are down."""
        self._required.update(heads)
        self.fleet.require(*heads)

    # Called by the executor's loop.
    def wait(self, seconds: float) -> None:
        """Return when there is news, or after so long.

        Raises:
            ChimeraError: CHIM714, no head answers.
        """
        if self._broken is not None:
            raise self._broken
        with self.fleet.lock:
            self._look_around()
        self.news.wait(seconds)
        self.news.clear()

    def _look_around(self) -> None:
        """Say what waits, and end what goes on for ever."""
        queue = self.queue
        behind = [w for h, w in queue.running.items() if not w.sent or self._other(h)]
        self.waits.waiting((*queue.waiting, *behind), self._doing())
        now = time.monotonic()
        for head, error in self.waits.overdue(queue.running):
            work = queue.running[head]
            begun = self._interrupted.get(work.id)
            if begun is None:
                self._interrupted[work.id] = now
                self.steps.overdue[str(work.current)] = error
                self.log.say(error.message, step=work.current, error=error)
                self.fleet.cancel(head, work.id)
            elif now - begun > DEAF_SECONDS:
                self._interrupted[work.id] = math.inf
                self.fleet.fault(head, f"'{work.current}' cannot be interrupted")

    def _doing(self) -> dict[str, str]:
        idle = self.fleet.idle()
        words = dict.fromkeys(self.queue.heads, "is not started")
        words |= dict.fromkeys(self._required, "is being started")
        words |= dict.fromkeys(self._answering, "works for another run")
        words |= dict.fromkeys(idle, "is idle")
        words |= {h: f"runs '{w.keys[0]}'" for h, w in self.queue.running.items() if w.sent}
        others = {head: self._other(head) for head in self._answering}
        return words | {head: f"works for run '{run}'" for head, run in others.items() if run}

    def _other(self, head: str) -> str:
        """The run that a head works for, if that is not ours: what we sent it waits there."""
        run = self._busy_with.get(head, "").partition(":")[0]
        return run if run != self.run_id else ""

    def interrupt(self, key: str) -> None:
        """Interrupt a step where it runs; nothing more is dispatched."""
        with self.fleet.lock:
            self.stopping = True
            found = [(h, w.id) for h, w in self.queue.running.items() if key in w.todo]
        for head, work in found:
            self.log.say(f"interrupting '{key}' on {head}", step=key)
            with suppress(OSError):  # a dead head runs nothing
                self.fleet.cancel(head, work)

    def cancel_all(self) -> None:
        """Interrupt everything that heads do for this run, and see it end."""
        with self.fleet.lock:
            self.stopping = True
            works = {head: work.id for head, work in self.queue.running.items()}
        for head, work in works.items():
            self.fleet.cancel(head, work)
        deadline = time.monotonic() + CANCEL_SECONDS
        while self.queue.running and time.monotonic() < deadline:
            self.news.wait(0.1)
            self.news.clear()

    def close(self) -> None:
        """Stop following heads. What they do for a run that will be resumed goes on."""
        self.stopping = True
        self.fleet.close()


def _failed(
    frame: dict[str, Any], head: str, todo: list[str], *, stopped: bool
) -> tuple[str | None, ChimeraError | None]:
    """The step that a `rest` frame blames, and why."""
    error = frame.get("error")
    if stopped or not error:
        return None, None
    failed = frame.get("failed") or (todo[0] if todo else None)
    text = error.get("message", error) if isinstance(error, dict) else error
    return failed, HeadUnavailableError("CHIM635", f"{head} could not run '{failed}': {text}")


def _error_of(death: Death) -> HeadUnavailableError:
    if death.code == "CHIM714":
        return HeadUnavailableError("CHIM714", f"{death.head} is given up: {death.reason}")
    doing = f" in '{death.step}'" if death.step else ""
    return HeadUnavailableError("CHIM630", f"{death.head} died{doing}: {death.reason}")


def _shown(head: str, incarnation: Incarnation) -> dict[str, Any]:
    return {
        "head": dg.MetadataValue.text(head),
        "incarnation": dg.MetadataValue.int(incarnation.number),
    }
