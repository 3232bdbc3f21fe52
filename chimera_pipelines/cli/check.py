"""`chimera check`: every diagnostic of every file, in one process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import ChimeraError, ExitCode, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.maml.diagnostics import Diagnostic

EXAMPLE = options.example(
    "chimera check data/documents/*.maml.md",
    "chimera check --json broken.maml.md | jq '.files[].diagnostics[].code'",
)

# MAML.md §7: over several files 2 beats 3 beats 4.
_RANK = (ExitCode.USAGE, ExitCode.DOCUMENT_INVALID, ExitCode.GRAPH_INVALID, ExitCode.OK)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and what was found in it; `error` when it could not be read."""

    path: str
    text: str
    diagnostics: tuple[Diagnostic, ...]
    error: ChimeraError | None = None

    def as_json(self) -> dict[str, Any]:
        """The `files[]` object of `chimera.check/1`."""
        found = {"path": self.path, "diagnostics": [one.as_json() for one in self.diagnostics]}
        return found if self.error is None else {**found, "error": self.error.as_json()}


def check(
    *,
    files: options.Files,
    sarif: Annotated[bool, typer.Option("--sarif", help="Write SARIF 2.1.0 to stdout.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Say everything that is wrong with documents.

    Reads text and runs nothing. Several files are checked in one process.
    """
    with opened(json=as_json or sarif, quiet=quiet, verbose=verbose) as terminal:
        if as_json and sarif:
            raise UsageError("CHIM201", "--json and --sarif exclude each other")
        checked = [read(path) for path in files]
        for one in checked:
            if one.error is not None:
                terminal.fail(one.error)
        if sarif:
            from chimera_pipelines.cli import sarif as log

            terminal.emit(log.report((one.path, one.diagnostics) for one in checked))
        elif as_json:
            terminal.emit(as_report(checked))
        else:
            _write(terminal, checked)
        raise typer.Exit(int(code_of(checked, strict=strict)))


def read(path: Path) -> Checked:
    """One file's diagnostics, or the error that kept it from being read."""
    from chimera_pipelines.maml.reader import read_file

    try:
        document = read_file(path)
    except UsageError as error:
        return Checked(str(path), "", (), error)
    return Checked(str(path), document.text, document.diagnostics)


def as_report(checked: list[Checked]) -> dict[str, Any]:
    """The object `chimera.check/1`."""
    counts = _counts(checked)
    return {
        "schema": "chimera.check/1",
        "errors": counts["error"],
        "warnings": counts["warning"],
        "files": [one.as_json() for one in checked],
    }


def code_of(checked: list[Checked], *, strict: bool) -> ExitCode:
    """The exit code over all files."""
    return min((_file_code(one, strict=strict) for one in checked), key=_RANK.index)


def _file_code(one: Checked, *, strict: bool) -> ExitCode:
    from chimera_pipelines.maml.diagnostics import Severity, exit_code

    if one.error is not None:
        return ExitCode.USAGE
    if not strict:
        return exit_code(one.diagnostics)
    counted = [d for d in one.diagnostics if d.severity is not Severity.INFO]
    if not counted:
        return ExitCode.OK
    graph_only = all(d.code.startswith("MAML4") for d in counted)
    return ExitCode.GRAPH_INVALID if graph_only else ExitCode.DOCUMENT_INVALID


def _counts(checked: list[Checked]) -> Counter[str]:
    return Counter(str(d.severity) for one in checked for d in one.diagnostics)


def _write(terminal: Terminal, checked: list[Checked]) -> None:
    from chimera_pipelines.cli.report import diagnostic_lines

    for one in checked:
        lines = one.text.split("\n")
        for found in one.diagnostics:
            for line in diagnostic_lines(terminal, one.path, lines, found):
                terminal.say(line)
    counts = _counts(checked)
    files = f"{len(checked)} document" + ("s" if len(checked) != 1 else "")
    style = "error" if counts["error"] else "warning" if counts["warning"] else "ok"
    summary = f"{files}, {counts['error']} errors, {counts['warning']} warnings"
    if not terminal.quiet:
        terminal.say(terminal.paint(style, summary))
