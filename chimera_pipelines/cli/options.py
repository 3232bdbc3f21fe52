"""Options and arguments that verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Verbose: TypeAlias = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, show_default=False, help="Log more; -vv: tracebacks too."
    ),
]
File: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="A .maml.md document.")]
Files: TypeAlias = Annotated[list[Path], typer.Argument(metavar="FILE", help="Documents.")]
Partition: TypeAlias = Annotated[
    str | None, typer.Option("--partition", metavar="KEY", help="Partition of the run.")
]
Inputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--input", metavar="NAME=VALUE", help="A run input; JSON if it parses, else text. Repeats."
    ),
]
InputsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--inputs", metavar="FILE", help="Run inputs as a JSON object.")
]


def example(*lines: str) -> str:
    r"""The epilog of a verb's help; `\b` keeps click from joining its lines."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
