"""Diagnostics: one record for everything `chimera check` says, in text, JSON and sorting order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from chimera_pipelines.errors import ExitCode


class Severity(StrEnum):
    """How bad: errors stop a run, warnings do not, infos only explain."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of text, 1-based, end exclusive, columns in Unicode code points."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def at(cls, line: int, column: int, width: int = 1) -> Span:
        """A span of `width` code points on one line."""
        return cls(line, column, line, column + width)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding (MAML.md §7). `subject` tells apart findings of one code at one place."""

    code: str
    severity: Severity
    span: Span
    message: str
    hint: str | None = None
    fixable: bool = False
    subject: str = field(default="", compare=False)

    def as_json(self) -> dict[str, object]:
        """The diagnostic object of CLI.md."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "line": self.span.line,
            "column": self.span.column,
            "endLine": self.span.end_line,
            "endColumn": self.span.end_column,
            "message": self.message,
            "hint": self.hint,
            "fixable": self.fixable,
        }


def ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By line, column, code; a code stands once at one place unless it names different things."""
    seen: dict[tuple[object, ...], Diagnostic] = {}
    for found in diagnostics:
        seen.setdefault((found.code, found.span.line, found.span.column, found.subject), found)
    return tuple(
        sorted(seen.values(), key=lambda d: (d.span.line, d.span.column, d.code, d.subject))
    )


def exit_code(diagnostics: Iterable[Diagnostic]) -> ExitCode:
    """0 clean or warnings only, 4 if the only errors are 4xx, else 3 (MAML.md §7)."""
    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    if not errors:
        return ExitCode.OK
    if all(d.code.startswith("MAML4") for d in errors):
        return ExitCode.GRAPH_INVALID
    return ExitCode.DOCUMENT_INVALID
