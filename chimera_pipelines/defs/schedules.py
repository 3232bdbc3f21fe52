"""Schedules of documents, and which partitions an unattended run takes (MAML.md §3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import AssetJob
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.scheduling.plan import Plan


def document_schedule(
    plan: Plan, job: AssetJob, translator: ChimeraTranslator
) -> dg.ScheduleDefinition | None:
    """The document's `schedule`, if it has one.

    A tick asks for the latest complete day or hour, or for each static or dynamic key.
    """
    if plan.schedule is None:
        return None

    @dg.schedule(
        cron_schedule=str(plan.schedule["cron"]),
        job=job,
        name=translator.get_schedule_name(plan),
        execution_timezone=str(plan.schedule.get("timezone", "UTC")),
        default_status=translator.get_schedule_status(plan),
        description=f"schedule of {plan.document.title or plan.slug}",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        at = context.scheduled_execution_time
        partitions = translator.get_partitions_def(plan)
        found = partition_requests(
            partitions, context.instance, run_key=at.isoformat(), at=at, tags={}
        )
        return found or dg.SkipReason("no partition is complete yet, or no dynamic key was added")

    return tick


def partition_requests(
    partitions: dg.PartitionsDefinition[str] | None,
    instance: dg.DagsterInstance,
    *,
    run_key: str,
    at: datetime | None = None,
    tags: Mapping[str, str] | None = None,
    job_name: str | None = None,
    run_config: Mapping[str, Any] | None = None,
) -> list[dg.RunRequest]:
    """One request for each partition that an unattended run takes; a run key makes each unique.

    Args:
        partitions: the document's; None asks for one run.
        instance: knows dynamic keys.
        run_key: of the occasion; a partition's key is appended.
        at: the time that decides what is complete; now by default.
        tags: of each run.
        job_name: where a sensor has several jobs.
        run_config: of each run.
    """
    return [
        dg.RunRequest(
            run_key=run_key if key is None else f"{run_key}:{key}",
            partition_key=key,
            tags=dict(tags or {}),
            job_name=job_name,
            run_config=run_config,
        )
        for key in unattended_keys(partitions, instance, at)
    ]


def unattended_keys(
    partitions: dg.PartitionsDefinition[str] | None,
    instance: dg.DagsterInstance,
    at: datetime | None = None,
) -> list[str | None]:
    """Keys of an unattended run: the latest complete day or hour, or all of the others' keys."""
    if partitions is None:
        return [None]
    with dg.partition_loading_context(at, instance):
        if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            last = partitions.get_last_partition_key()
            return [] if last is None else [last]
        return list(partitions.get_partition_keys())
