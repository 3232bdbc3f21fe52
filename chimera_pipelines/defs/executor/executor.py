"""`chimera_head_executor`: Dagster's StepDelegatingExecutor over persistent heads.

Dagster keeps the run's state machine: skips, retries, pools, dynamic steps, interruption, resume
after the death of the run worker. Three things are added:

* Dispatch at the last moment: `launch_step` only queues; the router sees all that waits and all
  heads that are idle.
* Waking instead of polling: the stock loop sleeps, then reads the event log; this one waits until a
  head says that a step ended. The event log stays the only truth: frames just wake us up.
* Chains: a ready step takes the following phases of its kernel with it. Events of a step that
  Dagster has not launched yet are held back for the few milliseconds until it has.

When a head dies, its running step gets an engine event and STEP_UP_FOR_RETRY (no RetryPolicy is
needed), and steps that had not started go back to the queue.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    ExecutionPlan,
    PlanOrchestrationContext,
    RetryMode,
    StepDelegatingExecutor,
    StepHandler,
    keep_connections,
)
from chimera_pipelines.defs.executor.crew import Crew
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.defs.executor.handler import HeadStepHandler
from chimera_pipelines.defs.executor.options import SCHEMA, Options
from chimera_pipelines.defs.ops import KERNEL_TAG
from chimera_pipelines.defs.warm import PERFORMERS, PRELOAD
from chimera_pipelines.heads.fleet import attach_or_start
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.scheduling.routing import open_router
from chimera_pipelines.settings import HEAD_IDS, settings

LOOP_SECONDS = 0.002  # the stock loop's own sleep; the real wait is `Crew.wait`
WAIT_SECONDS = 0.25  # longest wait when no head says anything
IDLE_SECONDS = 0.05  # the loop's sleep while no step is in flight


@dg.executor(
    name="chimera_heads",
    requirements=dg.multiple_process_executor_requirements(),
    config_schema=SCHEMA,
)
def chimera_head_executor(init_context: dg.InitExecutorContext) -> "HeadExecutor":
    """Runs each kernel on one of the four heads; kernels side by side, phases back to back."""
    config = init_context.executor_config
    return HeadExecutor(
        RetryMode.from_config(config["retries"]),  # type: ignore[arg-type]
        Options.from_config(config),
    )


def _queue(context: PlanOrchestrationContext, plan: ExecutionPlan) -> Dispatching:
    """The queue behind a router that knows the heads' reputations, where documents are run."""
    used = settings()
    if not any(
        KERNEL_TAG in (step.tags or {}) for step in plan.get_steps_to_execute_in_topo_order()
    ):
        return Dispatching(Router(), HEAD_IDS)
    ledger = Ledger(used.ledger)
    try:
        return Dispatching(open_router(ledger, used, run_id=context.run_id), HEAD_IDS)
    finally:
        ledger.close()


class _NoHandler(StepHandler):
    """Stands in until the run's plan is known."""

    @property
    def name(self) -> str:
        return "chimera heads"

    launch_step = check_step_health = terminate_step = None  # type: ignore[assignment]


class HeadExecutor(StepDelegatingExecutor):
    """One run's executor."""

    def __init__(self, retries: RetryMode, options: Options) -> None:
        self._reading = False
        super().__init__(
            _NoHandler(),
            retries=retries,
            sleep_seconds=LOOP_SECONDS,
            check_step_health_interval_seconds=1,
            should_verify_step=False,
        )
        self._options = options
        self._handler: HeadStepHandler
        self._held: list[dg.DagsterEvent] = []
        self._resuming = False

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Run the plan's steps; finds the warm heads, or starts heads of this run's own."""
        instance = plan_context.plan_data.instance
        self._resuming = plan_context.resume_from_failure
        keep_connections(instance)
        with attach_or_start(settings(), performers=PERFORMERS, preload=PRELOAD) as agent:
            crew = Crew(
                plan_context,
                execution_plan,
                agent,
                _queue(plan_context, execution_plan),
                self._options,
            )
            self._step_handler = self._handler = HeadStepHandler(crew)
            if self._resuming:
                crew.adopt()
            try:
                yield from super().execute(plan_context, execution_plan)
                self._end_cancelled(instance, plan_context.run_id)
            finally:
                crew.close()

    @property
    def _sleep_seconds(self) -> float:
        """Between two turns of Dagster's loop, which reads it once in each.

        A turn in which no step is in flight reads no events: all that is left waits for a pool or
        for its next attempt. That is where to look whether the pool will ever have a slot.
        """
        reading, self._reading = self._reading, False
        if reading:
            return 0.0 if self._held else LOOP_SECONDS
        self._handler.crew.waits.pools()
        return IDLE_SECONDS

    @_sleep_seconds.setter
    def _sleep_seconds(self, _: float) -> None:
        """The base class sets what it was given."""

    def _end_cancelled(self, instance: dg.DagsterInstance, run_id: str) -> None:
        """Where runs can be resumed, Dagster does not tell steps of a termination: we do."""
        run = instance.get_run_by_id(run_id)
        if run is not None and run.status == dg.DagsterRunStatus.CANCELING:
            self._handler.crew.cancel_all()

    def _pop_events(
        self, instance: dg.DagsterInstance, run_id: str, seen_storage_ids: set[int]
    ) -> Sequence[dg.DagsterEvent]:
        if self._resuming:  # replayed by ActiveExecution.rebuild_from_events: needs everything
            self._resuming = False
            self._reading = True
            events = list(super()._pop_events(instance, run_id, seen_storage_ids))
            self._handler.saw(events)
            return events
        self._reading = True
        now = self._release()
        if not now:  # nothing that was held back may be told now
            self._handler.crew.wait(WAIT_SECONDS)
            self._held += super()._pop_events(instance, run_id, seen_storage_ids)
            now = self._release()
        self._handler.saw(now)
        return now

    def _release(self) -> list[dg.DagsterEvent]:
        """Let go of the events that we hold of steps that Dagster has launched."""
        ahead = self._handler.steps_ahead()  # once: it changes while heads work
        now = [event for event in self._held if event.step_key not in ahead]
        self._held = [event for event in self._held if event.step_key in ahead]
        return now
