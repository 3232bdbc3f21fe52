"""`chimera heads history`: what happened to heads, and where the time of a regeneration went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import clean, opened
from chimera_pipelines.errors import UsageError

if TYPE_CHECKING:
    from chimera_pipelines.ledger.evidence import HeadEvent

EXAMPLE = options.example("chimera heads history HEAD_1 --limit 5")


def history(
    *,
    head: Annotated[
        str | None, typer.Argument(metavar="[HEAD]", help="One head; default all.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="So many at most.")
    ] = 20,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """List what happened to heads, newest first, and the stages of each regeneration."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.ledger.ledger import Ledger
        from chimera_pipelines.settings import HEAD_IDS, settings

        if head is not None and head not in HEAD_IDS:
            raise UsageError(
                "CHIM206", f"no head '{head}'", hint=f"there are: {', '.join(HEAD_IDS)}"
            )
        ledger = Ledger(settings().ledger)
        try:
            events = ledger.head_events(head, limit)
        finally:
            ledger.close()
        if terminal.json:
            shown = [_as_json(event) for event in events]
            terminal.emit({"schema": "chimera.heads.history/1", "events": shown})
        rows = [
            (
                event.timestamp,
                event.head,
                str(event.incarnation),
                event.event,
                str(event.detail.get("reason", "-")),
                _duration(event.detail.get("seconds")),
                ", ".join(f"{name} {_duration(seconds)}" for name, seconds in stages(event)),
            )
            for event in events
        ]
        columns = ("time", "head", "incarnation", "event", "reason", "took", "stages")
        for line in values.table(columns, rows):
            terminal.say(clean(line))


def stages(event: HeadEvent) -> list[tuple[str, float]]:
    """Stages of a timeline with their seconds, in order; empty when there is none."""
    found: Any = event.detail.get("stages")
    if not isinstance(found, list):
        return []
    return [(str(one["stage"]), float(one["seconds"])) for one in found]


def _as_json(event: HeadEvent) -> dict[str, Any]:
    return {
        "timestamp": event.timestamp,
        "head": event.head,
        "incarnation": event.incarnation,
        "agent": event.agent,
        "event": event.event,
        "reason": event.detail.get("reason"),
        "seconds": event.detail.get("seconds"),
        "stages": [{"stage": name, "seconds": seconds} for name, seconds in stages(event)],
        "detail": dict(event.detail),
    }


def _duration(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
