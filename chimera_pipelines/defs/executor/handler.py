"""The step handler: what Dagster's loop asks of the heads, step by step."""

from collections.abc import Iterator

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    CheckStepHealthResult,
    StepHandler,
    StepHandlerContext,
)
from chimera_pipelines.defs.executor.crew import Crew
from chimera_pipelines.defs.executor.steps import only


class HeadStepHandler(StepHandler):
    """Runs the steps of one Dagster run on heads."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    @property
    def name(self) -> str:
        """As Dagster shows it."""
        return "chimera heads"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Queue a step, unless a chain has taken it along."""
        with self.crew.fleet.lock:
            self.crew.steps.launched(step_handler_context.execute_step_args)
            self.crew.dispatch()
        return iter(())

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether the step waits or runs, or its end is in the log."""
        args = step_handler_context.execute_step_args
        with self.crew.fleet.lock:
            if self.crew.steps.healthy(args):
                return CheckStepHealthResult.healthy()
        return CheckStepHealthResult.unhealthy(f"no head runs '{only(args)}'")

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Interrupt a step where it runs; nothing more is dispatched."""
        self.crew.interrupt(only(step_handler_context.execute_step_args))
        return iter(())

    def steps_ahead(self) -> set[str]:
        """Steps that run or ran without Dagster having launched them."""
        with self.crew.fleet.lock:
            return set(self.crew.steps.ahead)

    def saw(self, events: list[dg.DagsterEvent]) -> None:
        """Dagster is told of these events."""
        with self.crew.fleet.lock:
            self.crew.steps.saw(events)
