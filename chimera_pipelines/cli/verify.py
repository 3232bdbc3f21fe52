"""`chimera verify`: a document's History against public keys, offline (MAML.md §8)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import evidence, options
from chimera_pipelines.cli.terminal import Terminal, clean, opened
from chimera_pipelines.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.tickets.verification import Problem, Verification

EXAMPLE = options.example(
    "chimera verify data/documents/h2_vqe.maml.md",
    "chimera verify signed.maml.md --keys keys.jwks.json --json",
)


def verify(
    *,
    files: options.Files,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="JWKS", help="Keys to trust; default: this project's own."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="Tree heads noted earlier (JSON)."),
    ] = None,
    against_dagster: Annotated[
        bool, typer.Option("--against-dagster", help="Compare with Dagster's event log too.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Verify grants and tickets, offline.

    Needs the file and the public keys, no network. Exit 8: some History does not verify.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        if against_dagster:
            raise UsageError(
                "CHIM208",
                "comparing a History with Dagster's event log is not available in this version",
                hint="the asset check ticket_valid verifies every ticket inside Dagster",
            )
        trusted = evidence.trusted_keys(keys)
        heads = None if checkpoint is None else evidence.tree_heads(checkpoint)
        found = [(str(path), evidence.verified(path, trusted, heads)) for path in files]
        if terminal.json:
            terminal.emit(as_report(found))
        else:
            _write(terminal, found)
        good = all(one.ok for _, one in found)
        raise typer.Exit(int(ExitCode.OK if good else ExitCode.HISTORY_INVALID))


def as_report(found: list[tuple[str, Verification]]) -> dict[str, Any]:
    """The object `chimera.verify/1`."""
    return {
        "schema": "chimera.verify/1",
        "ok": all(one.ok for _, one in found),
        "files": [
            {
                "path": path,
                "ok": one.ok,
                "entries": one.entries,
                "grants": one.grants,
                "tickets": one.tickets,
                "problems": [_problem(problem) for problem in one.problems],
            }
            for path, one in found
        ],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "severity": str(problem.severity),
        "entry": problem.entry,
        "line": problem.line,
        "message": problem.message,
    }


def _write(terminal: Terminal, found: list[tuple[str, Verification]]) -> None:
    total = 0
    for path, one in found:
        for problem in one.problems:
            severity = terminal.paint(str(problem.severity), f"{problem.severity:<7}")
            place = f"{clean(path)}:{problem.line or 1}:1:"
            entry = "" if problem.entry is None else f" (entry {problem.entry})"
            terminal.say(f"{place} {severity} {problem.code} {clean(problem.message)}{entry}")
        state = terminal.paint("ok", "ok") if one.ok else terminal.paint("error", "does not verify")
        entries = f"{one.entries} entries, {one.grants} grants, {one.tickets} tickets"
        terminal.say(f"{clean(path)}: {state}; {entries}")
        total += one.tickets
    terminal.say(f"{total} ticket{'' if total == 1 else 's'} verified")
