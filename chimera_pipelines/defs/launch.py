"""A document's job in this process, on the project's Dagster instance: `chimera run --dagster`.

The run and its asset events are in the web UI like any other. The report has the shape of
`chimera run` (CLI.md), read back from Dagster's events.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import REPOSITORY_LABEL_TAG, keep_connections
from chimera_pipelines.defs.dev import dagster_home
from chimera_pipelines.defs.launcher import WORKER_TAG, identity
from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.defs.project import Prepared, PreparedPlan, plan_store
from chimera_pipelines.defs.resources import chimera_run_id
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.digest import JSONValue, read_canonical
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.phase import PHASES
from chimera_pipelines.scheduling.opening import open_run, partition_keys
from chimera_pipelines.scheduling.plan import Plan, load_plan, save_plan
from chimera_pipelines.settings import settings

# The code location of workspace.yaml: by this label the web UI's Jobs page finds the runs of a job.
# (The timeline asks for the origin of a job in a code server, which a run in this process lacks.)
_LOCATION = "__repository__@chimera_pipelines"
# A kernel of which no event tells has every field of the shape all the same.
_UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("head", "device", "incarnation", "sandbox", "cuda_ns", "output", "error")),
    **dict.fromkeys(("input_digest", "output_digest", "ticket", "checkpoint")),
    "attempts": 0,
    "diagnostics": [],
}


def run_in_dagster(
    document: Path,
    *,
    partition: str | None = None,
    all_partitions: bool = False,
    inputs: Mapping[str, JSONValue] | None = None,
    force: bool = False,
    instance: dg.DagsterInstance | None = None,
) -> dict[str, Any]:
    """Compile a document and run it once, or once for each static partition.

    Returns:
        One `chimera.run/1`, or a `chimera.runs/1` with a list of them.
    """
    plan = load_plan(document, plan_store())
    if not all_partitions:
        return run_document(
            plan, partition=partition, inputs=inputs, force=force, instance=instance
        )
    runs = [
        run_document(plan, partition=key, inputs=inputs, force=force, instance=instance)
        for key in partition_keys(plan)
    ]
    worst = next((run["status"] for run in runs if run["status"] != "ok"), "ok")
    return {"schema": "chimera.runs/1", "status": worst, "runs": runs}


def run_document(
    plan: Plan,
    *,
    partition: str | None = None,
    inputs: Mapping[str, JSONValue] | None = None,
    force: bool = False,
    instance: dg.DagsterInstance | None = None,
) -> dict[str, Any]:
    """Run a plan's job in this process; returns `chimera.run/1` with the Dagster run's id.

    Raises:
        ChimeraError: the run is not admitted (as `chimera run`), or there is no Dagster instance.
    """
    with Services(settings()) as services:
        open_run(
            plan, services, run_id=new_run_id(), partition=partition, inputs=inputs, force=force
        ).close()
    save_plan(plan, plan_store())
    translator = ChimeraTranslator()
    prepared = Prepared((PreparedPlan(plan, plan.digest),), ())
    job = build_definitions(prepared, translator=translator, inbox=False).resolve_job_def(
        translator.get_job_name(plan)
    )
    with project_instance(instance) as where:
        _add_dynamic_key(plan, partition, where)
        started = time.monotonic()
        result = job.execute_in_process(
            run_config=_config(inputs or {}, force=force),
            partition_key=partition,
            instance=where,
            raise_on_error=False,
            # A daemon beside us asks after each run's worker, and has a run without one resumed
            # and, the fourth time, failed. This process is the worker.
            tags={REPOSITORY_LABEL_TAG: _LOCATION, WORKER_TAG: identity(os.getpid())},
        )
        seconds = time.monotonic() - started
        run_id = chimera_run_id(where, result.run_id)
    kernels = [_kernel(plan, kernel.name, result.all_events, translator) for kernel in plan.kernels]
    with Services(settings()) as services:
        journal = services.journal(plan.document)
        if not result.success and services.ledger.granted(run_id):
            # Runs of the web UI that fail stay open here: the journal takes them for ended after
            # an hour, and none of their steps could know that it is the last.
            journal.finish(run_id, "failed")
        history = dict(journal.summary())
        for kernel in kernels:
            if kernel["output"] is None and kernel["output_digest"] is not None:
                kernel["output"] = read_canonical(services.store.get(kernel["output_digest"]))
    outputs = {
        kernel["name"]: kernel["output"] for kernel in kernels if kernel["output"] is not None
    }
    document = plan.document
    return {
        "schema": "chimera.run/1",
        "run_id": run_id,
        "dagster_run_id": result.run_id,
        "status": "ok" if result.success else "failed",
        "seconds": round(seconds, 6),
        "partition": partition,
        "document": {"path": document.path, "id": document.id, "digest": document.digest},
        "plan": plan.digest,
        "kernels": kernels,
        "outputs": {name: outputs[name] for name in plan.finals if name in outputs},
        "history": history,
    }


@contextmanager
def project_instance(given: dg.DagsterInstance | None = None) -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, or the one that is given.

    Raises:
        UsageError: CHIM609, there is no Dagster home.
    """
    if given is not None:
        yield given
        return
    with dg.DagsterInstance.from_config(str(dagster_home())) as found:
        keep_connections(found)
        yield found


def _config(inputs: Mapping[str, JSONValue], *, force: bool) -> dict[str, Any]:
    return {
        "resources": {"chimera": {"config": {"inputs": dict(inputs), "force": force}}},
        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
    }


def _add_dynamic_key(plan: Plan, partition: str | None, instance: dg.DagsterInstance) -> None:
    """Naming a dynamic partition on the command line adds it."""
    name = (plan.partitions or {}).get("dynamic")
    if isinstance(name, str) and partition is not None:
        instance.add_dynamic_partitions(name, [partition])


def _kernel(
    plan: Plan, name: str, events: Sequence[dg.DagsterEvent], translator: ChimeraTranslator
) -> dict[str, Any]:
    """The kernel object of `chimera.run/1`, from the materialisation or the failed step."""
    found: dict[str, Any] = {**_UNKNOWN, "name": name, "status": "skipped"}
    steps = f"{translator.get_graph_name(plan, name)}."
    key = translator.get_asset_key(plan, name)
    phases: dict[str, float] = {}
    for event in events:
        if event.is_step_success and event.step_key and event.step_key.startswith(steps):
            phases[event.step_key.removeprefix(steps)] = event.step_success_data.duration_ms / 1000
        if event.is_step_failure and event.step_key and event.step_key.startswith(steps):
            found.update(status="failed", error=_error(event))
        if event.is_step_materialization and event.asset_key == key:
            found.update(_materialised(event))
    order = [str(phase) for phase in PHASES if str(phase) in phases]
    return {**found, "phases": [{"phase": phase, "seconds": phases[phase]} for phase in order]}


def _error(event: dg.DagsterEvent) -> dict[str, Any]:
    data = event.step_failure_data
    shown = data.user_failure_data.metadata if data.user_failure_data else {}
    if "error" in shown:
        error: dict[str, Any] = shown["error"].value  # type: ignore[assignment]
        return error
    message = data.error_display_string.strip().splitlines()[0]
    return {
        "code": "CHIM600",
        "message": message,
        "where": None,
        "hint": "see the run in the web UI",
    }


def _materialised(event: dg.DagsterEvent) -> dict[str, Any]:
    shown = {
        n: v.value for n, v in event.step_materialization_data.materialization.metadata.items()
    }
    ticket = {
        "seq": shown["ticket"],
        "signature_digest": shown["ticket/signature"],
        **{name: shown[f"ticket/{name}"] for name in ("key", "timestamp", "root")},
    }
    checkpoint = {
        "id": shown.get("checkpoint"),
        **{name: shown.get(f"checkpoint/{name}") for name in ("bytes", "shares")},
    }
    keys = ("status", "head", "device", "incarnation", "attempts", "input_digest", "output_digest")
    return {
        **{name: shown[name] for name in keys},
        "sandbox": shown["sandbox"],
        "cuda_ns": shown.get("cuda_ns"),
        "output": shown.get("output"),
        "ticket": ticket,
        "checkpoint": checkpoint if checkpoint["id"] else None,
    }
