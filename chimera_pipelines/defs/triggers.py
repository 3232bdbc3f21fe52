"""A document's `trigger`: a new file under a `dataset://` pattern, or another document's output."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import AssetJob
from chimera_pipelines.defs.schedules import partition_requests
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import settings

INTERVAL_SECONDS = 10
# A file that was written to a moment ago may not be whole yet.
SETTLED_NS = 2_000_000_000
FILE_TYPES = (".parquet", ".csv", ".jsonl")


def document_trigger(
    plan: Plan, job: AssetJob, translator: ChimeraTranslator
) -> dg.SensorDefinition | None:
    """The document's trigger sensor, if it has one."""
    trigger = plan.trigger or {}
    if "dataset" in trigger:
        return _dataset_trigger(plan, str(trigger["dataset"]), job, translator)
    if "document" in trigger:
        return _asset_trigger(plan, str(trigger["document"]), job, translator)
    return None


def new_files(pattern: str, root: Path, seen: dict[str, list[int]]) -> dict[str, list[int]]:
    """Settled files under `root` that match `dataset://a/*/b`, new or changed since `seen`.

    `*` is one path segment or part of one, a trailing `**` one or more (MAML.md §10). A pattern
    without a suffix takes every type that a dataset may have.
    """
    found: dict[str, list[int]] = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        name = path.relative_to(root).as_posix()
        if path.is_file() and path.suffix in FILE_TYPES and _matches(pattern, name):
            stat = path.stat()
            stamp = [stat.st_size, stat.st_mtime_ns]
            settled = not 0 <= time.time_ns() - stat.st_mtime_ns < SETTLED_NS
            if settled and seen.get(name) != stamp:
                found[name] = stamp
    return found


def _matches(pattern: str, name: str) -> bool:
    body = pattern.removeprefix("dataset://")
    deep = body.endswith("/**")
    stem = re.escape(body.removesuffix("/**")).replace(r"\*", "[^/]*")
    expression = re.compile(stem + ("/.+" if deep else ""))
    return any(expression.fullmatch(text) for text in (name, name.rpartition(".")[0]))


def partition_key(pattern: str, name: str) -> str:
    """The dynamic partition of a file: its name below the pattern's fixed folders, no suffix."""
    folders = pattern.removeprefix("dataset://").split("/")[:-1]
    fixed = next((at for at, folder in enumerate(folders) if "*" in folder), len(folders))
    return "/".join(Path(name).with_suffix("").parts[fixed:])


def _dataset_trigger(
    plan: Plan, pattern: str, job: AssetJob, translator: ChimeraTranslator
) -> dg.SensorDefinition:
    partitions = translator.get_partitions_def(plan)

    @dg.sensor(
        name=translator.get_trigger_name(plan),
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=translator.get_trigger_status(plan),
        description=f"runs {plan.slug} for each new file under {pattern}",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen: dict[str, list[int]] | None = json.loads(context.cursor) if context.cursor else None
        found = new_files(pattern, settings().dataset_root, seen or {})
        cursor = json.dumps({**(seen or {}), **found})
        if seen is None and found:
            return dg.SensorResult(
                skip_reason=f"{len(found)} files were there before", cursor=cursor
            )
        requests: list[dg.RunRequest] = []
        added: list[Any] = []
        for name, stamp in found.items():
            run_key, tags = (
                f"{name}:{stamp[0]}:{stamp[1]}",
                {"chimera/trigger": f"dataset://{name}"},
            )
            if isinstance(partitions, dg.DynamicPartitionsDefinition):
                key = partition_key(pattern, name)
                added.append(partitions.build_add_request([key]))
                requests.append(dg.RunRequest(run_key, partition_key=key, tags=tags))
            else:
                requests += partition_requests(
                    partitions, context.instance, run_key=run_key, tags=tags
                )
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else f"nothing new under {pattern}",
            cursor=cursor,
            dynamic_partitions_requests=added,
        )

    return watch


def _asset_trigger(
    plan: Plan, reference: str, job: AssetJob, translator: ChimeraTranslator
) -> dg.SensorDefinition:
    slug, _, path = reference.removeprefix("document://").partition("#")
    key = translator.get_document_key(slug, path.partition(".")[0])
    partitions = translator.get_partitions_def(plan)

    @dg.asset_sensor(
        asset_key=key,
        job=job,
        name=translator.get_trigger_name(plan),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=translator.get_trigger_status(plan),
        description=f"runs {plan.slug} after {reference}",
    )
    def watch(
        context: dg.SensorEvaluationContext, event: dg.EventLogEntry
    ) -> list[dg.RunRequest] | dg.SkipReason:
        run_key, tags = f"{event.run_id}:{event.timestamp}", {"chimera/trigger": reference}
        shared = event.dagster_event.partition if event.dagster_event else None
        if shared is not None and partitions is not None:
            with dg.partition_loading_context(datetime.now(UTC), context.instance):
                if partitions.has_partition_key(shared):
                    return [dg.RunRequest(f"{run_key}:{shared}", partition_key=shared, tags=tags)]
        found = partition_requests(partitions, context.instance, run_key=run_key, tags=tags)
        return found or dg.SkipReason("no partition is complete yet")

    return watch
