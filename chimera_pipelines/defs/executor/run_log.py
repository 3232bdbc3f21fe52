"""Events that the executor writes into a run's log itself, and what it reads there.

Steps write their own events from their head. What a head can no longer say, that it died, is
written here, and so are starts, regenerations, waits and dispatches, with their seconds.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster import DagsterEvent, DagsterEventType

from chimera_pipelines.defs._dagster_internals import (
    EngineEventData,
    ExecutionPlan,
    PlanOrchestrationContext,
    SerializableErrorInfo,
    StepFailureData,
    StepRetryData,
)
from chimera_pipelines.errors import ChimeraError

ENDED = frozenset(
    {
        DagsterEventType.STEP_SUCCESS,
        DagsterEventType.STEP_FAILURE,
        DagsterEventType.STEP_UP_FOR_RETRY,
    }
)
STARTED = frozenset({DagsterEventType.STEP_WORKER_STARTING, DagsterEventType.STEP_WORKER_STARTED})


class RunLog:
    """The event log of one run, as its executor sees it."""

    def __init__(self, context: PlanOrchestrationContext, plan: ExecutionPlan) -> None:
        self._context = context
        self._plan = plan

    def say(
        self,
        message: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        step: str | None = None,
        error: ChimeraError | None = None,
    ) -> None:
        """An engine event of the run, or of one of its steps."""
        shown = dict(metadata or {})
        if error is not None:
            shown["code"] = dg.MetadataValue.text(error.code)
        data = EngineEventData(metadata=shown, error=_hint(error) if error else None)
        DagsterEvent.engine_event(self._of(step), message, data)

    def starting(self, keys: list[str], head: str, metadata: Mapping[str, Any]) -> None:
        """A dispatch goes to a head: STEP_WORKER_STARTING of its first step."""
        DagsterEvent.step_worker_starting(
            self._of(keys[0]), f"Dispatching {', '.join(keys)} to {head}.", metadata=dict(metadata)
        )

    def up_for_retry(self, key: str, error: ChimeraError) -> None:
        """The step goes back to Dagster's queue through no fault of its own."""
        self.say(f"{error.message}; the step returns to the queue", step=key, error=error)
        data = StepRetryData(error=_info(error), seconds_to_wait=None)  # type: ignore[no-untyped-call]
        DagsterEvent.step_retry_event(self._of(key), data)

    def failed(self, key: str, error: ChimeraError) -> None:
        """The step has failed for good."""
        data = StepFailureData(error=_info(error), user_failure_data=None)  # type: ignore[no-untyped-call]
        DagsterEvent.step_failure_event(self._of(key), data)

    def has_ended(self, key: str) -> bool:
        """Whether the log has an end of the step after its last start.

        A head may die between a step's last event and telling us.
        """
        found = self._context.plan_data.instance.get_records_for_run(
            self._context.run_id, of_type=set(ENDED | STARTED)
        ).records
        events = (record.event_log_entry.dagster_event for record in found)
        mine = [event.event_type for event in events if event and event.step_key == key]
        return bool(mine) and mine[-1] in ENDED

    def _of(self, step: str | None) -> Any:
        if step is None:
            return self._context
        return self._context.for_step(self._plan.get_step_by_key(step))  # type: ignore[arg-type]


def _hint(error: ChimeraError) -> SerializableErrorInfo:
    """Shown in red below a message that says the rest."""
    return SerializableErrorInfo(f"{error.code} {error.hint or ''}".rstrip(), [], error.code)


def _info(error: ChimeraError) -> SerializableErrorInfo:
    return SerializableErrorInfo(f"{error}\n", [], error.code)
