"""What a materialisation shows: ticket, checkpoint, head, numbers, pictures.

Keys are stable, because Dagster plots a number over the runs by its key.
"""

import base64
from collections.abc import Mapping
from typing import Any

import dagster as dg

from chimera_pipelines.heads.timeline import Timeline
from chimera_pipelines.lifecycle.records import Outcome, PhaseRecord
from chimera_pipelines.scheduling.plan import Plan


def phase_metadata(record: PhaseRecord) -> dict[str, Any]:
    """Of a phase's record: what it covers, where it ran, how long it took."""
    invocation = record.invocation
    timed = list(invocation.seconds.values())
    found: dict[str, Any] = {
        "digest": record.digest,
        "input_digest": invocation.input_digest,
        "head": invocation.head,
        "device": invocation.device,
        "attempt": invocation.attempt,
    }
    if timed:
        found["seconds"] = timed[-1]
    if invocation.reused is not None:
        found["reused"] = invocation.reused
    return found | engine_metadata(record.payload) | evolution_metadata(record.payload)


def evolution_metadata(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Of an embedded or later record: order, steps and error bound of its Trotter formula."""
    return {f"evolution_{name}": value for name, value in payload.get("evolution", {}).items()}


def engine_metadata(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Of a measured record: which engines propagated its circuits, and why."""
    engines = payload.get("measurements", {}).get("engines", [])
    if not engines:
        return {}
    names = dict.fromkeys(f"{item['engine']} {item['method']}" for item in engines)
    return {
        "engine": ", ".join(names),
        "engine_reason": "; ".join(dict.fromkeys(item["reason"] for item in engines)),
    }


def outcome_metadata(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Of a kernel's outcome: everything that the materialisation shows."""
    return {
        **ticket_metadata(plan, outcome),
        **checkpoint_metadata(outcome),
        "status": outcome.status,
        "head": outcome.head,
        "device": outcome.device,
        "incarnation": outcome.incarnation,
        "sandbox": outcome.tier,
        "attempts": outcome.attempts,
        "input_digest": outcome.input_digest,
        "output_digest": outcome.output_digest,
        "document_digest": plan.document.digest,
        **_maybe("cuda_ns", outcome.cuda_ns),
        **_maybe("reused_from", outcome.reused_from),
        **_maybe("feedback_head", ", ".join(outcome.feedback_heads) or None),
        "seconds": sum(outcome.seconds.values()),
        **{f"seconds/{phase}": seconds for phase, seconds in outcome.seconds.items()},
        **_content(plan, outcome),
    }


def _content(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """What the kernel made, as numbers, pictures and JSON.

    Dagster keeps metadata in the open: of a kernel that wants encryption none of it goes there.
    """
    cipher = plan.kernel(outcome.kernel).encryption(plan.document.encryption)
    if cipher != "none":
        return {"encryption": cipher}
    return {
        **_numbers(outcome.output),
        **_series(outcome),
        **_pictures(outcome),
        "output": dg.MetadataValue.json(outcome.output),  # type: ignore[arg-type]
    }


def ticket_metadata(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Sequence number, what it is about, signing head and key, root and signature digest."""
    ticket = outcome.ticket
    return {
        "ticket": int(ticket["seq"]),
        "ticket/document": plan.document.id,
        "ticket/kernel": outcome.kernel,
        "ticket/head": outcome.head,
        "ticket/key": str(ticket["key"]),
        "ticket/root": str(ticket["root"]),
        "ticket/signature": str(ticket["signature_digest"]),
        "ticket/timestamp": str(ticket["timestamp"]),
    }


def checkpoint_metadata(outcome: Outcome) -> dict[str, Any]:
    """Content id, size, number of shares, and the heads that hold them."""
    checkpoint = outcome.checkpoint
    if checkpoint is None:
        return {}
    return {
        "checkpoint": str(checkpoint["id"]),
        "checkpoint/bytes": int(checkpoint["bytes"]),
        "checkpoint/shares": int(checkpoint["shares"]),
        "checkpoint/where": ", ".join(checkpoint["heads"]),
    }


def timeline_metadata(timeline: Timeline) -> dict[str, Any]:
    """Of a head that came back: the seconds of each stage, and a picture of them."""
    from chimera_pipelines.plotting import timeline_markdown

    return {
        "head": timeline.head,
        "incarnation": timeline.new,
        "reason": timeline.reason,
        "seconds": round(timeline.seconds, 6),
        **{f"seconds/{stage}": round(taken, 6) for stage, taken in timeline.stages.items()},
        "timeline": dg.MetadataValue.md(timeline_markdown(timeline)),
    }


def _maybe(key: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {key: value}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(output: object) -> dict[str, Any]:
    """Top-level numbers of the output, so that Dagster draws them over runs."""
    if not isinstance(output, Mapping):
        return {}
    return {f"output/{name}": value for name, value in output.items() if _is_number(value)}


def _series(outcome: Outcome) -> dict[str, Any]:
    """Of each series the last value, drawn over runs, and all values as a table over passes."""
    if not outcome.series:
        return {}
    last = {f"series/{name}": values[-1] for name, values in outcome.series.items() if values}
    longest = max(len(values) for values in outcome.series.values())
    rows = [
        dg.TableRecord(
            {
                "pass": index + 1,
                **{n: v[index] if index < len(v) else None for n, v in outcome.series.items()},
            }
        )
        for index in range(longest)
    ]
    columns = [dg.TableColumn("pass", "int"), *(dg.TableColumn(n, "float") for n in outcome.series)]
    return {**last, "series": dg.MetadataValue.table(rows, schema=dg.TableSchema(columns=columns))}


def _pictures(outcome: Outcome) -> dict[str, Any]:
    from chimera_pipelines.plotting import figures

    return {
        f"plot/{name}": dg.MetadataValue.md(
            f"![{name}](data:image/png;base64,{base64.b64encode(data).decode()})"
        )
        for name, data in figures(outcome).items()
    }
