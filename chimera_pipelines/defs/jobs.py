"""One job for each document: its kernels and its ledger."""

from typing import Any

import dagster as dg

from chimera_pipelines.defs._dagster_internals import AssetJob
from chimera_pipelines.defs.project import PreparedPlan
from chimera_pipelines.defs.translator import TICKET_CHECK, ChimeraTranslator
from chimera_pipelines.maml.history import split
from chimera_pipelines.scheduling.plan import Plan


def document_job(prepared: PreparedPlan, translator: ChimeraTranslator) -> AssetJob:
    """The document's job. Checks that can run alone are left out; those in the graphs are in.

    Run inputs with a default in Input_Schema stand in the job's config, so that the launchpad shows
    what can be changed.
    """
    plan = prepared.plan
    keys = [translator.get_asset_key(plan, kernel.name) for kernel in plan.kernels]
    kernels = dg.AssetSelection.assets(*keys, translator.get_ledger_key(plan)).without_checks()
    tickets = dg.AssetSelection.checks(*(dg.AssetCheckKey(key, TICKET_CHECK) for key in keys))
    return dg.define_asset_job(
        translator.get_job_name(plan),
        selection=kernels | tickets,
        description=plan.document.title,
        tags=translator.get_job_tags(plan),
        metadata=_metadata(plan),
        partitions_def=translator.get_partitions_def(plan),
        config=_config(plan),
    )


def _config(plan: Plan) -> dict[str, Any] | None:
    schema = plan.document.input_schema
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return None
    defaults = {
        name: item["default"]
        for name, item in properties.items()
        if isinstance(item, dict) and "default" in item
    }
    return {"resources": {"chimera": {"config": {"inputs": defaults}}}} if defaults else None


def _metadata(plan: Plan) -> dict[str, Any]:
    from pathlib import Path

    path = Path(plan.document.path)
    shown: dict[str, Any] = {
        "document": dg.MetadataValue.path(str(path.absolute())),
        "digest": plan.document.digest,
        "levels": dg.MetadataValue.json([list(level) for level in plan.levels]),
    }
    if isinstance(plan.document.input_schema, dict):
        shown["input_schema"] = dg.MetadataValue.json(plan.document.input_schema)
    if path.exists():
        shown["text"] = dg.MetadataValue.md(split(path.read_bytes()).body.decode())
    return shown
