"""A project as one set of Dagster definitions."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from chimera_pipelines.defs.assets import document_assets
from chimera_pipelines.defs.checks import diagnostics_metadata, document_check, kernel_checks
from chimera_pipelines.defs.executor.executor import chimera_head_executor
from chimera_pipelines.defs.io_manager import ChimeraIOManager
from chimera_pipelines.defs.jobs import document_job
from chimera_pipelines.defs.ops import Body, run_phase
from chimera_pipelines.defs.project import BadDocument, MamlProject, Prepared, PreparedPlan
from chimera_pipelines.defs.resources import ChimeraResource
from chimera_pipelines.defs.schedules import document_schedule
from chimera_pipelines.defs.sensors import inbox_sensor
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.defs.triggers import document_trigger
from chimera_pipelines.settings import settings


def build_definitions(
    project: MamlProject | Prepared | None = None,
    *,
    translator: ChimeraTranslator | None = None,
    body: Body = run_phase,
    inbox: bool = True,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Everything that a folder of documents is to Dagster.

    Args:
        project: the documents; `CHIMERA_HOME/documents` by default.
        translator: names, keys, tags; subclass `ChimeraTranslator` to change them.
        body: runs each phase, as the function that `@maml_assets` decorates.
        inbox: whether to watch `data/inbox/`.
        resources: replace or add to `chimera` and `io_manager`; the defaults when None.
        executor: the jobs' executor; by default `chimera_head_executor`, or Dagster's
            `in_process_executor` under `CHIMERA_HEADS=in_process`.
    """
    source = MamlProject() if project is None else project
    prepared = source.prepare() if isinstance(source, MamlProject) else source
    names = translator or ChimeraTranslator()
    documents = [_document(found, names, body) for found in prepared.plans]
    merged = dg.Definitions.merge(*documents, *(_bad(found, names) for found in prepared.bad))
    jobs = {
        f.digest: job
        for f, d in zip(prepared.plans, documents, strict=True)
        for job in d.jobs or ()
    }
    extra = dg.Definitions(
        assets=[_inbox_asset(names)] if inbox else [],
        sensors=[inbox_sensor(prepared.plans, jobs, names)] if inbox else [],  # type: ignore[arg-type]
        resources=default_resources()
        if resources is None
        else {**default_resources(), **resources},
        executor=executor or default_executor(),
    )
    return dg.Definitions.merge(merged, extra)


def default_executor() -> dg.ExecutorDefinition:
    """Head processes, or the run's own process where settings say so."""
    if settings().heads == "in_process":
        return dg.in_process_executor
    return chimera_head_executor


def default_resources() -> dict[str, Any]:
    """The two resources that our ops need."""
    return {"chimera": ChimeraResource(), "io_manager": ChimeraIOManager()}


def _document(found: PreparedPlan, translator: ChimeraTranslator, body: Body) -> dg.Definitions:
    plan = found.plan
    job = document_job(found, translator)
    schedule = document_schedule(plan, job, translator)
    trigger = document_trigger(plan, job, translator)
    checks = [kernel_checks(found, kernel, translator) for kernel in plan.kernels]
    return dg.Definitions(
        assets=document_assets(found, translator, body),
        asset_checks=[*checks, document_check(found, translator)],
        jobs=[job],
        schedules=[schedule] if schedule else [],
        sensors=[trigger] if trigger else [],
    )


def _bad(found: BadDocument, translator: ChimeraTranslator) -> dg.Definitions:
    """A document with errors: an asset that says so, fails when run, and has a failing check."""
    key = translator.get_bad_document_key(found.slug)
    error = found.error
    metadata = {
        **diagnostics_metadata(list(found.diagnostics)),
        "error": dg.MetadataValue.json(error),
        "document": dg.MetadataValue.path(str(found.path.absolute())),
    }
    summary = f"`{found.path.name}` is no runnable document: {error['code']} {error['message']}"

    @dg.asset(
        key=key,
        group_name=found.slug,
        description=summary,
        metadata=metadata,
        kinds={"maml"},
        tags={"chimera/invalid": "true"},
    )
    def document() -> None:
        raise dg.Failure(summary, metadata=metadata, allow_retries=False)

    @dg.asset_check(asset=key, name="document_valid", description="what `chimera check` says of it")
    def document_valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=summary, metadata=metadata)

    return dg.Definitions(assets=[document], asset_checks=[document_valid])


def _inbox_asset(translator: ChimeraTranslator) -> dg.AssetSpec:
    return dg.AssetSpec(
        translator.get_inbox_key(),
        group_name="chimera",
        kinds={"maml"},
        description="what came through data/inbox, each accepted or refused file an observation",
    )
