"""`DagsterPerformer`: runs Dagster steps in a head process, one dispatch at a time.

A dispatch is a list of step keys of one kernel. Its steps run back to back, each as `dagster api
execute_step` would: a subset plan, resources, a compute log and events of its own, which go
straight to the run's event log. It ends at the first step that does not succeed, and leaves out
those that Dagster must skip.

An agent is started with `dagster=chimera_pipelines.defs.executor.performer:DagsterPerformer`.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    DagsterExecutionInterruptedError,
    ExecuteStepArgs,
    ExecutionPlan,
    capture_interrupts,
    create_context_free_log_manager,
    deserialize_value,
    execute_plan_iterator,
    spare_search_path,
)
from chimera_pipelines.defs.executor.known_runs import KnownRun, KnownRuns
from chimera_pipelines.defs.residence import Residence, reside
from chimera_pipelines.heads.performer import Emit, HeadContext, Work
from chimera_pipelines.settings import settings

NAME = "dagster"


class DagsterPerformer:
    """Steps of Dagster runs, with what outlives a step: services, runs, plans, instances."""

    def __init__(self, here: HeadContext) -> None:
        from chimera_pipelines.lifecycle.services import Services
        from chimera_pipelines.scheduling.lender import AgentLender

        spare_search_path()
        self._here = here
        self._known = KnownRuns()
        lender = AgentLender(here, settings())
        self._residence = Residence(Services(settings(), here=here, lender=lender))
        reside(self._residence)

    def perform(self, work: Work, emit: Emit) -> None:
        """Run the dispatch's steps.

        Raises:
            Exception: what keeps steps from starting; a step's own errors are in the event log.
        """
        args = deserialize_value(work.payload["args"], ExecuteStepArgs)
        if args.instance_ref is None:
            raise dg.DagsterInvariantViolationError("a dispatch without an instance")
        instance = self._known.instance(args.instance_ref, work.payload["home"])
        run = instance.get_run_by_id(args.run_id)
        if run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING:
            return
        self._forget_finished(instance, args.run_id)
        try:
            with _interrupts():
                _Steps(self._here, work, emit, args, run, instance).run_all(self._known)
        except (DagsterExecutionInterruptedError, KeyboardInterrupt):
            self._residence.forget(args.run_id)
            if work.current is not None:  # its STEP_FAILURE has been written
                emit({"is": "end", "key": work.current, "success": False})

    def cancel(self, work: Work) -> None:
        """Interrupt the step that runs; those after it do not start."""
        self._here.interrupt()

    def close(self) -> None:
        """End sessions, and let go of ledger and event logs."""
        reside(None)
        self._residence.close()
        self._known.close()

    def _forget_finished(self, instance: dg.DagsterInstance, current: str) -> None:
        """Drop what is kept for runs that have ended, when work of another run comes."""
        for run_id in self._residence.dagster_runs() - {current}:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                self._residence.forget(run_id)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Let SIGINT stop a step between two of its events.

    Dagster leaves SIGTERM with the handler of SIGINT; an idle head must end at SIGTERM as before.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        with capture_interrupts():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Steps:
    """One dispatch."""

    def __init__(
        self,
        here: HeadContext,
        work: Work,
        emit: Emit,
        args: ExecuteStepArgs,
        run: dg.DagsterRun,
        instance: dg.DagsterInstance,
    ) -> None:
        self._here, self._work, self._emit = here, work, emit
        self._args, self._run, self._instance = args, run, instance
        self._log = create_context_free_log_manager(instance, run)
        self._yielded: set[object] = set()

    def run_all(self, known: KnownRuns) -> None:
        keys = list(self._args.step_keys_to_execute or ())
        found = known.run(self._run, self._instance)
        plan = found.plan_at(self._run, self._args.known_state)
        for index, key in enumerate(keys):
            if self._work.cancelled:
                return
            if not _inputs_yielded(plan, key, keys[:index], self._yielded):
                continue
            self._start(key)
            success = self._run_step(found, plan, key)
            self._emit({"is": "end", "key": key, "success": success})
            if not success:
                return

    def _start(self, key: str) -> None:
        """Write first, tell second: a started step is one that the event log calls so."""
        shown: Mapping[str, Any] = {
            "pid": dg.MetadataValue.int(os.getpid()),
            "head": dg.MetadataValue.text(self._here.id),
            "incarnation": dg.MetadataValue.int(self._here.incarnation),
        }
        dg.DagsterEvent.step_worker_started(
            self._log,
            self._run.job_name,
            message=f'{self._here.id} (pid {os.getpid()}) executes "{key}".',
            metadata=dict(shown),
            step_key=key,
        )
        self._emit({"is": "start", "key": key})

    def _run_step(self, found: KnownRun, plan: ExecutionPlan, key: str) -> bool:
        success = False
        for event in execute_plan_iterator(
            plan.build_subset_plan([key], found.job.get_definition(), found.config),
            found.job,
            self._run,
            self._instance,
            run_config=self._run.run_config,
            retry_mode=self._args.retry_mode,
        ):
            if event.is_successful_output:
                self._yielded.add(event.step_output_data.step_output_handle)
            success = success or event.is_step_success
        return success


def _inputs_yielded(
    plan: ExecutionPlan, key: str, earlier: list[str], yielded: set[object]
) -> bool:
    """False when an optional output of this dispatch that the step needs was not yielded."""
    step = plan.get_step_by_key(key)
    return not earlier or all(
        handle in yielded
        for step_input in step.step_inputs
        for handle in step_input.get_step_output_handle_dependencies()  # type: ignore[union-attr]
        if handle.step_key in earlier
    )
