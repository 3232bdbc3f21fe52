"""`ChimeraResource`: what ops reach the lifecycle through; one `Run` for each document.

Run inputs are this resource's config, so the launchpad shows and checks them:

    resources:
      chimera:
        config:
          inputs: {initial_theta: [[0.1]]}
          force: false

A Dagster run has one ULID, derived from its id and creation time: every step process arrives at
the same one without asking another. It stands in the run's tags as `chimera/run` and in its grant.
"""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from chimera_pipelines.defs.residence import here
from chimera_pipelines.digest import digest
from chimera_pipelines.lifecycle import registers
from chimera_pipelines.lifecycle.run_id import ulid
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import settings

# Loading a code location needs no head, sandbox or ledger; running a step does.
if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.run import Run
    from chimera_pipelines.lifecycle.services import Services

RUN_TAG = "chimera/run"
STOPPED_TAG = "chimera/stopped_by"


def chimera_run_id(instance: dg.DagsterInstance, dagster_run_id: str) -> str:
    """The ULID of a Dagster run, the same in every process; written to its tags when not there."""
    record = instance.get_run_record_by_id(dagster_run_id)
    if record is None:
        raise dg.DagsterInvariantViolationError(f"no run '{dagster_run_id}' on this instance")
    milliseconds = int(record.create_timestamp.timestamp() * 1000)
    random = int.from_bytes(hashlib.sha256(dagster_run_id.encode()).digest()[:10], "big")
    run_id = ulid(milliseconds, random)
    if record.dagster_run.tags.get(RUN_TAG) != run_id:  # a re-execution inherits its parent's tags
        instance.add_run_tags(dagster_run_id, {RUN_TAG: run_id})
    return run_id


class ChimeraResource(dg.ConfigurableResource[Any]):
    """Run inputs and the runs of this process."""

    inputs: dict[str, Any] = Field(
        default_factory=dict,
        description="run inputs by name, as the document's Input_Schema has them",
    )
    force: bool = Field(
        default=False, description="run every kernel, even where an earlier ticket could stand in"
    )

    _services: Any = PrivateAttr(default=None)
    _runs: dict[tuple[str, str, str | None], Any] = PrivateAttr(default_factory=dict)
    _lock: Any = PrivateAttr(default_factory=RLock)
    _instance: Any = PrivateAttr(default=None)
    _dagster_run_id: str = PrivateAttr(default="")

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Generator["ChimeraResource", None, None]:
        """Lives as long as the run in this process, or as one step in a process of its own.

        In a head, what it holds outlives the step (`defs.residence`).
        """
        self._instance = context.instance
        self._dagster_run_id = context.run.run_id if context.run else ""
        try:
            yield self
        finally:
            self.close()

    @property
    def services(self) -> "Services":
        """Heads, stores, ledger and keys of this process, made at first use."""
        from chimera_pipelines.lifecycle.services import Services

        residence = here()
        if residence is not None:
            return residence.services
        with self._lock:
            if self._services is None:
                self._services = Services(settings())
            services: Services = self._services
            return services

    def run(self, plan: Plan, partition: str | None) -> "Run":
        """The run of a document's plan: admitted and granted at first use.

        Raises:
            ChimeraError: what `Run.open` refuses.
        """
        residence = here()
        if residence is not None:
            asked = digest({"inputs": self.inputs, "force": self.force, "partition": partition})
            whole = (self._dagster_run_id, plan.document.path, plan.document.digest, asked)
            return residence.run(whole, lambda: self._open(plan, partition))
        with self._lock:
            key = (plan.document.path, plan.document.digest, partition)
            if key not in self._runs:
                self._runs[key] = self._open(plan, partition)
            found: Run = self._runs[key]
            return found

    def _open(self, plan: Plan, partition: str | None) -> "Run":
        from chimera_pipelines.scheduling.opening import open_run

        run = open_run(
            plan,
            self.services,
            run_id=chimera_run_id(self._instance, self._dagster_run_id),
            partition=partition,
            inputs=self.inputs,
            force=self.force,
        )
        run.begin()
        return run

    def attempt(self, plan: Plan, kernel: str, partition: str | None) -> int:
        """Number of a kernel's present attempt, over all its phases: those that failed, and one."""
        run_id = chimera_run_id(self._instance, self._dagster_run_id)
        ledger = self.services.ledger
        return 1 + ledger.failures(run_id, plan.document.id, kernel, partition)

    def finish(self, plan: Plan, status: str) -> None:
        """Record in the ledger that the run of a document has ended, as `ok` or `failed`."""
        run_id = chimera_run_id(self._instance, self._dagster_run_id)
        self.services.journal(plan.document).finish(run_id, status)
        registers.reclaim(self.services, run_id, ok=status == "ok")

    def close(self) -> None:
        """End the sessions, pools and ledger connection that are this resource's own."""
        with self._lock:
            for run in self._runs.values():
                run.close()
            self._runs.clear()
            if self._services is not None:
                self._services.close()
                self._services = None
