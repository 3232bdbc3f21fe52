"""`chimera explain`: what an error code means and what to do about it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from chimera_pipelines.cli import codes, options
from chimera_pipelines.cli.terminal import opened
from chimera_pipelines.errors import UsageError

EXAMPLE = options.example("chimera explain MAML405")


def _complete(incomplete: str) -> list[str]:
    return [code for code in codes.table() if code.startswith(incomplete.upper())]


def explain(
    *,
    code: Annotated[
        str,
        typer.Argument(metavar="CODE", help="MAML### or CHIM###.", autocompletion=_complete),
    ],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Explain an error code."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        found = codes.table().get(code.upper())
        if found is None:
            near = get_close_matches(code.upper(), codes.table(), n=3)
            raise UsageError(
                "CHIM206",
                f"no code '{code}'",
                hint=f"did you mean {', '.join(near)}?" if near else "see docs/errors.md",
            )
        if terminal.json:
            terminal.emit(
                {
                    "schema": "chimera.explain/1",
                    "code": found.code,
                    "severity": found.severity,
                    "title": found.title,
                    "text": found.text,
                }
            )
        terminal.say(terminal.paint("bold", f"{found.code} ({found.severity}): {found.title}"))
        terminal.say(found.text)
