"""Sensors: the inbox, and the triggers of documents.

Dagster makes no job at run time: a new document becomes one when the code location is loaded anew.
So the inbox sensor works over several ticks: a file that has not changed since the last tick is
checked and moved; the location is reloaded where a web server is known; and the run is asked for by
the first tick whose own definitions hold that very text of the document. Who runs without a known
web server presses Reload; the request waits for it in the cursor.
"""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from chimera_pipelines.defs import inbox, reload
from chimera_pipelines.defs._dagster_internals import AssetJob
from chimera_pipelines.defs.project import PreparedPlan, make_folders
from chimera_pipelines.defs.schedules import partition_requests
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.settings import settings

INTERVAL_SECONDS = 5
# Dagster gives a tick a minute; what a tick that was cut off has moved would never run. One check
# takes about a second, one that a document holds up `inbox.CHECK_SECONDS`.
FILES_PER_TICK = 8
TAKING_SECONDS = 10.0


def inbox_sensor(
    prepared: Iterable[PreparedPlan], jobs: Mapping[str, AssetJob], translator: ChimeraTranslator
) -> dg.SensorDefinition:
    """The sensor that watches `data/inbox/`. `jobs` are all document jobs by the plans' digests."""
    plans = {found.plan.document.digest: found for found in prepared}

    @dg.sensor(
        name=translator.get_inbox_sensor_name(),
        jobs=list(jobs.values()) or None,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=translator.get_inbox_status(),
        description="checks files in data/inbox, moves them, runs each clean document once",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before: dict[str, Any] = json.loads(context.cursor or "{}")
        make_folders()
        now = inbox.waiting(settings().root / "inbox")
        settled = [name for name, stamp in now.items() if before.get("seen", {}).get(name) == stamp]
        taken, notes = _take(settled[:FILES_PER_TICK])
        gone = {found.name for found in taken}
        accepted = [found for found in taken if found.plan is not None]
        pending = {
            **before.get("pending", {}),
            **{str(f.path): f.plan.document.digest for f in accepted if f.plan},
        }
        notes += [_reload()] if accepted else []
        ready = {path: digest for path, digest in pending.items() if digest in plans}
        cursor = {
            "seen": {name: stamp for name, stamp in now.items() if name not in gone},
            "pending": {path: digest for path, digest in pending.items() if path not in ready},
        }
        requests = [
            r
            for digest in ready.values()
            for r in _requests(plans[digest], translator, context.instance)
        ]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else _reason(cursor, taken, notes),
            cursor=json.dumps(cursor),
            asset_events=[_observation(found, translator) for found in taken],
        )

    return watch


def _take(names: Iterable[str]) -> tuple[list[inbox.Taken], list[str]]:
    """Takes files, at least one, until the time for it is up; the others wait for the next tick.

    So does one that the system refuses to move; what was taken before it must not be forgotten.
    """
    taken: list[inbox.Taken] = []
    refused: list[str] = []
    started = time.monotonic()
    for name in names:
        if taken and time.monotonic() - started > TAKING_SECONDS:
            break
        try:
            taken.append(inbox.take(name, settings()))
        except OSError as error:
            refused.append(f"{name}: {error}")
    return taken, refused


def _reload() -> str:
    url = reload.webserver()
    if url is None:
        return f"reload the code location (or set {reload.WEBSERVER_VARIABLE})"
    try:
        reload.reload_location(url)
    except ChimeraError as error:
        return str(error)
    return "code location reloaded"


def _requests(
    found: PreparedPlan, translator: ChimeraTranslator, instance: dg.DagsterInstance
) -> list[dg.RunRequest]:
    return partition_requests(
        translator.get_partitions_def(found.plan),
        instance,
        run_key=found.plan.document.digest,
        tags={"chimera/inbox": found.plan.slug},
        job_name=translator.get_job_name(found.plan),
    )


def _reason(cursor: Mapping[str, Any], taken: list[inbox.Taken], notes: list[str]) -> str:
    parts = [_said(found) for found in taken]
    if cursor["seen"]:
        parts.append(f"settling: {', '.join(cursor['seen'])}")
    if cursor["pending"]:
        parts.append(f"waiting for the code location to load: {', '.join(cursor['pending'])}")
    return "; ".join(parts + notes) or "nothing in the inbox"


def _said(found: inbox.Taken) -> str:
    if found.plan is not None:
        return f"{found.name}: accepted"
    kept = found.path.parent == settings().documents
    return f"{found.name}: {'moved, but it does not load' if kept else 'quarantined'}"


def _observation(found: inbox.Taken, translator: ChimeraTranslator) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=translator.get_inbox_key(),
        description=_said(found),
        metadata={
            "file": found.name,
            "accepted": found.plan is not None,
            "path": dg.MetadataValue.path(str(found.path)),
            "report": dg.MetadataValue.json(found.report),
        },
    )
