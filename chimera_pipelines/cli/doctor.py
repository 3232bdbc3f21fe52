"""`chimera doctor`: what this machine can do, and how each thing can be improved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import Terminal, clean, opened
from chimera_pipelines.errors import ExitCode

if TYPE_CHECKING:
    from chimera_pipelines.cli.probes import Check

EXAMPLE = options.example("chimera doctor", "chimera doctor --json | jq '.checks[].name'")

_MARKS = {"ok": ("ok", "ok  "), "warn": ("warning", "warn"), "fail": ("error", "fail")}


def doctor(
    *,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Show what this machine can do, with hints."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.cli.probes import checks

        found = checks()
        if terminal.json:
            terminal.emit(as_report(found))
        else:
            _write(terminal, found)
        raise typer.Exit(int(code_of(found)))


def as_report(found: list[Check]) -> dict[str, Any]:
    """The object `chimera.doctor/1`."""
    return {
        "schema": "chimera.doctor/1",
        "ok": all(check.status != "fail" for check in found),
        "checks": [check.as_json() for check in found],
    }


def code_of(found: list[Check]) -> ExitCode:
    """0, or what a run would meet first: no sandbox, no head, unusable settings."""
    failed = {check.name for check in found if check.status == "fail"}
    if not failed:
        return ExitCode.OK
    if "sandbox" in failed:
        return ExitCode.NO_SANDBOX
    return ExitCode.NO_HEAD if failed & {"cuda", "aer", "torch"} else ExitCode.USAGE


def _write(terminal: Terminal, found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    for check in found:
        style, mark = _MARKS[check.status]
        detail = f"  {check.detail}" if check.detail else ""
        line = (
            f"{terminal.paint(style, mark)}  {check.name:<{width}}  {clean(check.value + detail)}"
        )
        terminal.say(line)
        if check.hint and check.status != "ok":
            terminal.say(f"      {'':<{width}}  hint: {clean(check.hint)}")
