"""One ledger asset for each document: the state of its History at the end of a run.

It depends on all kernels, so it is materialised last, and has a lineage and history of its own.
"""

from typing import Any

import dagster as dg

from chimera_pipelines.defs.project import PreparedPlan, stored_plan
from chimera_pipelines.defs.translator import ChimeraTranslator
from chimera_pipelines.defs.trust import Evidence, evidence

COLUMNS = ("seq", "timestamp", "run", "kernel", "status", "head", "in", "out", "key")
SHOWN = 200


def ledger_asset(
    prepared: PreparedPlan,
    translator: ChimeraTranslator,
    partitions: dg.PartitionsDefinition[str] | None,
) -> dg.AssetsDefinition:
    """The ledger of one document."""
    plan, plan_digest = prepared.plan, prepared.digest
    key = translator.get_ledger_key(plan)

    @dg.asset(
        key=key,
        deps=[translator.get_asset_key(plan, kernel.name) for kernel in plan.kernels],
        partitions_def=partitions,
        group_name=translator.get_group_name(plan, None),
        owners=translator.get_owners(plan, None),
        kinds={"ledger"},
        description=f"Tickets of {plan.document.title or plan.slug}: tree head and list.",
        metadata={"document": dg.MetadataValue.path(plan.document.path)},
        required_resource_keys={"chimera"},
        op_tags={"chimera/plan": plan_digest},
    )
    def ledger(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        plan, chimera = stored_plan(plan_digest), context.resources.chimera
        chimera.finish(plan, "ok")
        found = evidence(plan, chimera.services)
        value = {"entries": found.size, "root": found.root, "tickets": len(found.tickets)}
        return dg.MaterializeResult(value=value, metadata=ledger_metadata(found))

    return ledger


def ledger_metadata(found: Evidence) -> dict[str, Any]:
    """Tree head and the latest tickets."""
    records = [
        dg.TableRecord({name: str(ticket.get(name, "")) for name in COLUMNS})
        for ticket in found.tickets[-SHOWN:]
    ]
    return {
        "tree/size": found.size,
        "tree/root": found.root,
        "tickets": dg.MetadataValue.table(
            records, schema=dg.TableSchema([dg.TableColumn(name) for name in COLUMNS])
        )
        if records
        else "none",
        "ticket_count": len(found.tickets),
        "document_digest": found.document_digest,
        "history": dg.MetadataValue.path(str(found.path)),
        "verified": found.ok,
        "problems": dg.MetadataValue.json(list(found.problems)),
    }
