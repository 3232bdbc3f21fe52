"""`chimera verify`: a document's History against public keys, offline (MAML.md §8)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import evidence, options
from chimera_pipelines.cli.terminal import Terminal, clean, opened
from chimera_pipelines.cli.traces import tracing
from chimera_pipelines.errors import ExitCode

if TYPE_CHECKING:
    from chimera_pipelines.defs.double_trace import Traced
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

    Needs the file and the public keys, no network. Exit 8: some History does not verify, or
    with --against-dagster, does not agree with the event log of DAGSTER_HOME.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        trusted = evidence.trusted_keys(keys)
        heads = () if checkpoint is None else evidence.tree_heads(checkpoint)
        traced: dict[Path, Traced] = {}
        with tracing(traced) if against_dagster else nullcontext() as trace:
            found = [(path, evidence.verified(path, trusted, heads, trace)) for path in files]
        if terminal.json:
            terminal.emit(as_report(found, traced))
        else:
            _write(terminal, found, traced)
        good = all(one.ok for _, one in found)
        raise typer.Exit(int(ExitCode.OK if good else ExitCode.HISTORY_INVALID))


def as_report(
    found: list[tuple[Path, Verification]], traced: Mapping[Path, Traced]
) -> dict[str, Any]:
    """The object `chimera.verify/1`; with what Dagster knows of a file where that was asked."""
    return {
        "schema": "chimera.verify/1",
        "ok": all(one.ok for _, one in found),
        "files": [
            {
                "path": str(path),
                "ok": one.ok,
                "entries": one.entries,
                "grants": one.grants,
                "tickets": one.tickets,
                "problems": [_problem(problem) for problem in one.problems],
                **({"dagster": _counts(traced[path])} if path in traced else {}),
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


def _counts(traced: Traced) -> dict[str, int]:
    return {"runs": traced.runs, "materializations": len(traced.logged)}


def _write(
    terminal: Terminal,
    found: list[tuple[Path, Verification]],
    traced: Mapping[Path, Traced],
) -> None:
    total = 0
    for path, one in found:
        shown = clean(str(path))
        for problem in one.problems:
            severity = terminal.paint(str(problem.severity), f"{problem.severity:<7}")
            place = f"{shown}:{problem.line or 1}:1:"
            entry = "" if problem.entry is None else f" (entry {problem.entry})"
            terminal.say(f"{place} {severity} {problem.code} {clean(problem.message)}{entry}")
        state = terminal.paint("ok", "ok") if one.ok else terminal.paint("error", "does not verify")
        entries = f"{one.entries} entries, {one.grants} grants, {one.tickets} tickets"
        terminal.say(f"{shown}: {state}; {entries}")
        if path in traced:
            known = _counts(traced[path])
            terminal.say(
                f"{shown}: {known['materializations']} materialisations of {known['runs']} "
                "Dagster runs were compared"
            )
        total += one.tickets
    terminal.say(f"{total} ticket{'' if total == 1 else 's'} verified")
