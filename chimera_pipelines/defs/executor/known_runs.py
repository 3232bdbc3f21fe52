"""What a head keeps of Dagster between dispatches: instances by reference, jobs and plans by run.

Loading a code location takes longer than many a step, and a plan costs 1 ms for 4 kernels and
110 ms for 250: both are made once for each run. Runs that share a head take turns, so the last few
are kept.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    ExecutionPlan,
    InMemoryJob,
    ResolvedRunConfig,
    create_execution_plan,
    keep_connections,
    recon_job_from_origin,
)
from chimera_pipelines.heads.performer import KEPT_RUNS


@dataclass
class KnownRun:
    """A run's job and plan in this process."""

    job: InMemoryJob
    config: ResolvedRunConfig
    load_data: Any
    plan: ExecutionPlan | None = None

    def plan_at(self, run: dg.DagsterRun, known_state: Any) -> ExecutionPlan:
        """The run's plan with what Dagster knew when it sent the dispatch.

        One with dynamic steps is made anew: resolving them changes it in place.
        """
        plan = self.plan
        if plan is None or plan.resolvable_map:
            plan = create_execution_plan(
                self.job,
                run_config=run.run_config,
                known_state=known_state,
                repository_load_data=self.load_data,
            )
            self.plan = plan
        return plan._replace(known_state=known_state)


class KnownRuns:
    """Keeps instances for good and the last few runs."""

    def __init__(self) -> None:
        self._instances: dict[tuple[str, str], dg.DagsterInstance] = {}
        self._runs: OrderedDict[str, KnownRun] = OrderedDict()

    def instance(self, ref: Any, home: str) -> dg.DagsterInstance:
        """The instance of a reference, with its connections kept open.

        Args:
            ref: of the run's worker.
            home: its DAGSTER_HOME, below which relative folders of `dagster.yaml` lie.
        """
        key = (home, repr(ref))
        if key not in self._instances:
            os.environ["DAGSTER_HOME"] = home
            found = dg.DagsterInstance.from_ref(ref)
            keep_connections(found)
            self._instances[key] = found
        return self._instances[key]

    def run(self, run: dg.DagsterRun, instance: dg.DagsterInstance) -> KnownRun:
        """Job and plan of a run, loaded at its first step here."""
        if run.run_id not in self._runs:
            self._runs[run.run_id] = _loaded(run, instance)
            while len(self._runs) > KEPT_RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(run.run_id)
        return self._runs[run.run_id]

    def close(self) -> None:
        """Let go of the instances' connections."""
        self._runs.clear()
        while self._instances:
            self._instances.popitem()[1].dispose()


def _loaded(run: dg.DagsterRun, instance: dg.DagsterInstance) -> KnownRun:
    if run.job_code_origin is None:
        raise dg.DagsterInvariantViolationError(f"run '{run.run_id}' does not say where its job is")
    load_data = None
    if run.has_repository_load_data and run.execution_plan_snapshot_id is not None:
        snapshot = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        load_data = snapshot.repository_load_data
    found = (
        recon_job_from_origin(run.job_code_origin)
        .with_repository_load_data(load_data)
        .get_subset(
            op_selection=run.resolved_op_selection,
            asset_selection=run.asset_selection,
            asset_check_selection=run.asset_check_selection,
        )
    )
    # Not kept as it is: a ReconstructableJob loads its definitions again when two of them take
    # turns, because Dagster remembers those of the last one alone.
    definition = found.get_definition()
    job = InMemoryJob(definition)
    return KnownRun(
        job,
        ResolvedRunConfig.build(definition, run.run_config),
        found.repository.repository_load_data,
    )
