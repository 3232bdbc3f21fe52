"""`chimera tickets list|show|export`: the signed entries of a document's History."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import evidence, options, values
from chimera_pipelines.cli.terminal import opened
from chimera_pipelines.errors import UsageError

if TYPE_CHECKING:
    from chimera_pipelines.maml.history_entry import Entry

LIST_EXAMPLE = options.example("chimera tickets list data/documents/h2_vqe.maml.md")
SHOW_EXAMPLE = options.example("chimera tickets show data/documents/h2_vqe.maml.md 2")
EXPORT_EXAMPLE = options.example("chimera tickets export h2_vqe.maml.md -o h2_vqe.dsse.jsonl")

app = typer.Typer(
    help="List, show and export tickets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog=LIST_EXAMPLE)
def list_(
    *,
    file: options.File,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """List signed entries as they stand; whether they hold is for `verify` to say."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        found = evidence.read(file)
        entries = [_as_json(number, entry) for number, entry in signed(found)]
        if terminal.json:
            terminal.emit(_report(file, found, entries))
        rows = [
            (
                str(one["entry"]),
                one["action"],
                one["timestamp"],
                one["fields"].get("kernel", "-"),
                one["fields"].get("status", "-"),
                one["fields"].get("head", one["fields"].get("heads", "-")),
                one["fields"].get("run", "-"),
            )
            for one in entries
        ]
        for line in values.table(
            ("entry", "action", "time", "kernel", "status", "head", "run"), rows
        ):
            terminal.say(line)


@app.command("show", epilog=SHOW_EXAMPLE)
def show(
    *,
    file: options.File,
    number: Annotated[int, typer.Argument(metavar="ENTRY", help="Its number, as `list` shows it.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Show the in-toto statement that an entry's signature is over."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.tickets.statement import statement

        found = evidence.read(file)
        entry = next((entry for at, entry in signed(found) if at == number), None)
        if entry is None:
            raise UsageError(
                "CHIM206",
                f"entry {number} of '{file}' is no grant or ticket",
                hint=f"chimera tickets list {file}",
            )
        made = statement(entry.action or "", entry.timestamp or "", entry.fields, found.document_id)
        shown = {**_as_json(number, entry), "statement": made}
        if terminal.json:
            terminal.emit({"schema": "chimera.ticket/1", "path": str(file), **shown})
        terminal.say(json.dumps(made, indent=2, ensure_ascii=False))


@app.command("export", epilog=EXPORT_EXAMPLE)
def export(
    *,
    file: options.File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File; default: stdout.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Write ordinary DSSE envelopes, one a line, for in-toto tools."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        found = evidence.read(file)
        envelopes = [_envelope(entry, found.document_id) for _, entry in signed(found)]
        lines = [json.dumps(one) for one in envelopes]
        if output is not None:
            _write(output, lines)
            terminal.note(f"{len(lines)} envelopes in {output}")
        if terminal.json:
            terminal.emit(
                {"schema": "chimera.envelopes/1", "path": str(file), "envelopes": envelopes}
            )
        elif output is None:
            for line in lines:
                terminal.say(line)


def signed(found: evidence.Evidence) -> list[tuple[int, Entry]]:
    """Well-formed signed entries with their numbers, archived ones counted."""
    from chimera_pipelines.tickets.verification import SIGNED

    entries: list[Entry] = [entry for part in found.parts for entry in part.entries]
    first = entries[0] if entries else None
    start = int(first.fields["seq"]) if first is not None and first.action == "ARCHIVE" else 0
    return [(start + at, one) for at, one in enumerate(entries) if one.action in SIGNED]


def _report(file: Path, found: evidence.Evidence, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": "chimera.tickets/1",
        "path": str(file),
        "document": {"id": found.document_id, "digest": found.document.digest},
        "tickets": entries,
    }


def _as_json(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "entry": number,
        "line": entry.line,
        "action": entry.action,
        "timestamp": entry.timestamp,
        "fields": dict(entry.fields),
    }


def _envelope(entry: Entry, document_id: str) -> dict[str, object]:
    from chimera_pipelines.tickets.dsse import envelope
    from chimera_pipelines.tickets.statement import payload

    body = payload(entry.action or "", entry.timestamp or "", entry.fields, document_id)
    return envelope(body, entry.fields["key"], entry.signature or b"")


def _write(output: Path, lines: list[str]) -> None:
    try:
        output.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    except OSError as error:
        raise UsageError("CHIM202", f"cannot write '{output}': {error.strerror}") from None
