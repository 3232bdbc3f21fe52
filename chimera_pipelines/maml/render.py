"""Diagnostics as people and programs read them: lines with carets, JSON and SARIF (MAML.md §7).

The first line of a finding is greppable, `file:line:column: severity code message  [hint]`; the
source and a caret under it follow (STYLE.md C3). What came from the document is shown with its
control and hidden characters made visible, so that no text can steer a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from chimera_pipelines.maml.characters import HIDDEN
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.document import Document

SCHEMA: Final = "chimera.check/1"

_WIDEST = 160
_SARIF_LEVEL: Final[Mapping[Severity, str]] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}


def visible(text: str) -> str:
    """The text with control, bidi and hidden characters as `<U+202E>`."""
    return HIDDEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text.replace("\t", " "))


def headline(path: str | None, found: Diagnostic) -> str:
    """`broken.maml.md:9:1:   error   MAML208 unknown field 'x'  [did you mean 'y'?]`."""
    place = f"{path or '<text>'}:{found.span.line}:{found.span.column}:"
    hint = f"  [{visible(found.hint)}]" if found.hint else ""
    return f"{place:<24} {found.severity:<7} {found.code} {visible(found.message)}{hint}"


def render_text(document: Document, *, source: bool = True) -> str:
    """Every finding of a document, one after the other; empty when there is none.

    Args:
        document: as read.
        source: whether the line of the document and a caret follow each finding.
    """
    lines = document.text.split("\n")
    rows: list[str] = []
    for found in document.diagnostics:
        rows.append(headline(document.path, found))
        if source and 0 < found.span.line <= len(lines) and document.text:
            rows += _excerpt(lines[found.span.line - 1], found)
    return "".join(f"{row}\n" for row in rows)


def _excerpt(line: str, found: Diagnostic) -> list[str]:
    """The source line and a caret under the span's part of it, cut to a readable width."""
    start = min(found.span.column - 1, len(line))
    one_line = found.span.end_line == found.span.line
    end = min(found.span.end_column - 1, len(line)) if one_line else len(line)
    left = max(0, start - _WIDEST // 2)
    before = visible(line[left:start])
    marked = visible(line[start : max(end, start)])[:_WIDEST]
    after = visible(line[max(end, start) :])
    shown = (before + marked + after)[:_WIDEST]
    number = str(found.span.line)
    gutter = " " * len(number)
    caret = " " * len(before) + "^" * max(1, min(len(marked), _WIDEST - len(before)))
    return [f"{gutter} |", f"{number} | {shown}", f"{gutter} | {caret}"]


def check_report(documents: Sequence[Document]) -> dict[str, object]:
    """The `chimera.check/1` object of CLI.md."""
    every = [d for document in documents for d in document.diagnostics]
    return {
        "schema": SCHEMA,
        "errors": sum(d.severity is Severity.ERROR for d in every),
        "warnings": sum(d.severity is Severity.WARNING for d in every),
        "files": [
            {"path": document.path, "diagnostics": [d.as_json() for d in document.diagnostics]}
            for document in documents
        ],
    }


def summary(documents: Sequence[Document]) -> str:
    """`2 errors, 1 warning in 3 documents`."""
    every = sorted(d.severity for document in documents for d in document.diagnostics)
    count = {severity: len(list(group)) for severity, group in groupby(every)}
    parts = [
        _counted(count.get(Severity.ERROR, 0), "error"),
        _counted(count.get(Severity.WARNING, 0), "warning"),
    ]
    return f"{', '.join(parts)} in {_counted(len(documents), 'document')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def sarif_report(documents: Sequence[Document], *, version: str) -> dict[str, object]:
    """The same as SARIF 2.1.0, columns in Unicode code points.

    Args:
        documents: as read.
        version: of this package.
    """
    driver = {
        "name": "chimera",
        "version": version,
        "rules": [{"id": code} for code in _codes(documents)],
    }
    results = [_sarif(document, found) for document in documents for found in document.diagnostics]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _codes(documents: Iterable[Document]) -> list[str]:
    return sorted({d.code for document in documents for d in document.diagnostics})


def _sarif(document: Document, found: Diagnostic) -> dict[str, object]:
    region = {
        "startLine": found.span.line,
        "startColumn": found.span.column,
        "endLine": found.span.end_line,
        "endColumn": found.span.end_column,
    }
    artifact = {"uri": document.path or "text"}
    hint = f" [{found.hint}]" if found.hint else ""
    return {
        "ruleId": found.code,
        "level": _SARIF_LEVEL[found.severity],
        "message": {"text": found.message + hint},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }
