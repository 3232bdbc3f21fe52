"""Asset checks: the one in each kernel's graph, and those that can be run alone from the web UI.

Checks that stand alone look at the latest materialisation and what it points to; nothing runs
again. They are one op for each kernel, of which any subset can be run.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg

from chimera_pipelines.defs.double_trace import ticket_of
from chimera_pipelines.defs.failures import error_metadata
from chimera_pipelines.defs.project import PreparedPlan, stored_plan
from chimera_pipelines.defs.translator import SEPARATOR, TICKET_CHECK, ChimeraTranslator
from chimera_pipelines.defs.trust import Evidence, evidence
from chimera_pipelines.digest import read_canonical
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.lifecycle.tallying import tally
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import HEAD_IDS

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.services import Services

Verdict: TypeAlias = tuple[bool, dict[str, Any]]


def ticket_result(
    plan: Plan, seq: int, key: dg.AssetKey, *, services: "Services"
) -> dg.AssetCheckResult:
    """The in-graph check: the ticket just written verifies, and so does the chain up to it."""
    passed, metadata = _ticket_verdict(evidence(plan, services), seq)
    _count_ticket(services, passed=passed)
    return dg.AssetCheckResult(
        check_name=TICKET_CHECK, asset_key=key, passed=passed, metadata=metadata
    )


def kernel_checks(
    prepared: PreparedPlan, kernel: KernelSpec, translator: ChimeraTranslator
) -> dg.AssetChecksDefinition:
    """Checks of one kernel's latest output, each runnable alone."""
    key = translator.get_asset_key(prepared.plan, kernel.name)
    wanted = {name: text for name, (text, _) in _CHECKS.items()}
    if kernel.output_schema is None:
        del wanted["output_schema"]
    plan_digest, name = prepared.digest, kernel.name

    @dg.multi_asset_check(
        name=f"{translator.get_graph_name(prepared.plan, kernel.name)}{SEPARATOR}checks",
        specs=[dg.AssetCheckSpec(n, asset=key, description=text) for n, text in wanted.items()],
        can_subset=True,
        required_resource_keys={"chimera"},
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        plan = stored_plan(plan_digest)
        event = _latest(context, key)
        for selected in sorted(context.selected_asset_check_keys, key=lambda check: check.name):
            passed, metadata = _verdict(selected.name, plan, plan.kernel(name), event, context)
            yield dg.AssetCheckResult(
                check_name=selected.name, asset_key=key, passed=passed, metadata=metadata
            )

    return checks


def document_check(
    prepared: PreparedPlan, translator: ChimeraTranslator
) -> dg.AssetChecksDefinition:
    """The reader's diagnostics of the document as it lies there now, with line and column."""

    @dg.asset_check(
        asset=translator.get_ledger_key(prepared.plan),
        name="document_valid",
        description="what `chimera check` says of the document as it lies there now",
    )
    def document_valid() -> dg.AssetCheckResult:
        from pathlib import Path

        from chimera_pipelines.maml.reader import read_file

        try:
            found = [d.as_json() for d in read_file(Path(prepared.plan.document.path)).diagnostics]
        except ChimeraError as error:
            return dg.AssetCheckResult(passed=False, metadata=error_metadata(error))
        return dg.AssetCheckResult(
            passed=not any(d["severity"] == "error" for d in found),
            metadata=diagnostics_metadata(found),
        )

    return document_valid


def diagnostics_metadata(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Diagnostics as a table and as JSON."""
    columns = ("line", "column", "severity", "code", "message", "hint")
    rows = [
        dg.TableRecord({c: str(d[c] if d[c] is not None else "") for c in columns}) for d in found
    ]
    shown: dict[str, Any] = {"diagnostics": dg.MetadataValue.json(found), "count": len(found)}
    if rows:
        table = dg.TableSchema([dg.TableColumn(c) for c in columns])
        shown["table"] = dg.MetadataValue.table(rows, schema=table)
    return shown


def _latest(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> dg.EventLogEntry | None:
    """The materialisation to look at: of this run's partition where there is one."""
    partition = context.run.tags.get("dagster/partition")
    if partition is None:
        latest: dg.EventLogEntry | None = context.instance.get_latest_materialization_event(key)
        return latest
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
    )
    entry: dg.EventLogEntry | None = found.records[0].event_log_entry if found.records else None
    return entry


def _verdict(
    check: str,
    plan: Plan,
    kernel: KernelSpec,
    event: dg.EventLogEntry | None,
    context: dg.AssetCheckExecutionContext,
) -> Verdict:
    materialization = event.asset_materialization if event else None
    if materialization is None:
        return False, {"reason": "the asset was never materialised"}
    shown = {name: value.value for name, value in materialization.metadata.items()}
    services: Services = context.resources.chimera.services
    try:
        return _CHECKS[check][1](plan, kernel, shown, services)
    except (ChimeraError, KeyError) as error:
        if isinstance(error, ChimeraError):
            return False, error_metadata(error)
        return False, {"reason": f"the materialisation has no metadata {error}"}


def _ticket_verdict(found: Evidence, seq: int) -> Verdict:
    ticket = next((t for t in found.tickets if t["seq"] == seq), None)
    problems = [p for p in found.problems if p["severity"] == "error" and p["entry"] in (seq, None)]
    metadata = {
        "ticket": seq,
        "tickets_verified": found.verified,
        "root": found.root,
        "problems": dg.MetadataValue.json(problems),
    }
    if ticket is None:
        return False, {**metadata, "reason": f"History has no ticket with seq={seq}"}
    return not problems, metadata


def _ticket(
    plan: Plan, kernel: KernelSpec, shown: Mapping[str, Any], services: "Services"
) -> Verdict:
    del kernel
    verdict = _ticket_verdict(evidence(plan, services), int(shown["ticket"]))
    _count_ticket(services, passed=verdict[0])
    return verdict


def _count_ticket(services: "Services", *, passed: bool) -> None:
    result = "ok" if passed else "failed"
    tally(services.ledger, "ticket_verifications", 1, result=result)


def _checkpoint(
    plan: Plan, kernel: KernelSpec, shown: Mapping[str, Any], services: "Services"
) -> Verdict:
    del plan, kernel
    lost = frozenset(random.sample(HEAD_IDS, len(HEAD_IDS) - 2))
    data = services.ring.rebuild(str(shown["checkpoint"]), lost=lost)
    tally(services.ledger, "checkpoint_bytes", len(data), operation="rebuild")
    used = ", ".join(sorted(set(HEAD_IDS) - lost))
    return True, {"checkpoint": str(shown["checkpoint"]), "bytes": len(data), "rebuilt_from": used}


def _output(
    plan: Plan, kernel: KernelSpec, shown: Mapping[str, Any], services: "Services"
) -> Verdict:
    del plan
    from chimera_pipelines.contracts import schema

    output = read_canonical(services.store.get(str(shown["output_digest"])))
    wanted = True if kernel.output_schema is None else kernel.output_schema
    problems = [str(p) for p in schema.validate(wanted, output)]
    return not problems, {"problems": dg.MetadataValue.json(problems)}


def _double_trace(
    plan: Plan, kernel: KernelSpec, shown: Mapping[str, Any], services: "Services"
) -> Verdict:
    """The event log and the History tell the same of the ticket."""
    seq = int(shown["ticket"])
    ticket = next((t for t in evidence(plan, services).tickets if t["seq"] == seq), None)
    if ticket is None:
        tally(services.ledger, "ledger_mismatches", 1)
        return False, {"reason": f"History has no ticket with seq={seq}"}
    logged = ticket_of(kernel.name, shown)
    del logged["signature"]  # of the entry's bytes: `ticket_verifies` looks at those
    apart = {n: [v, str(ticket[n])] for n, v in logged.items() if v != str(ticket[n])}
    tally(services.ledger, "ledger_mismatches", int(bool(apart)))
    return not apart, {"ticket": seq, "differences": dg.MetadataValue.json(apart)}


_Check: TypeAlias = Callable[[Plan, KernelSpec, Mapping[str, Any], Any], Verdict]
_CHECKS: dict[str, tuple[str, _Check]] = {
    "ticket_verifies": ("the ticket verifies again against the keys", _ticket),
    "checkpoint_rebuilds": (
        "the checkpoint rebuilds from two shares chosen at random",
        _checkpoint,
    ),
    "output_schema": ("the output fits the document's Output_Schema", _output),
    "double_trace": ("ticket and Dagster event log tell the same", _double_trace),
}
