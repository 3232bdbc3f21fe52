"""Diagnostics as text: one line each, then the source line with a caret under the place."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from chimera_pipelines.cli.terminal import Terminal, clean
from chimera_pipelines.maml.diagnostics import Diagnostic, Span

_WIDTH = 100


def diagnostic_lines(
    terminal: Terminal, path: str, text_lines: Sequence[str], found: Diagnostic
) -> list[str]:
    """The lines for one diagnostic, in the form of MAML.md §7, with an excerpt of the source."""
    place = f"{clean(path)}:{found.span.line}:{found.span.column}:"
    severity = terminal.paint(str(found.severity), f"{found.severity:<7}")
    hint = f"  [{clean(found.hint)}]" if found.hint else ""
    head = f"{place} {severity} {found.code} {clean(found.message)}{hint}"
    if not 1 <= found.span.line <= len(text_lines):
        return [head]
    source, caret = _excerpt(text_lines[found.span.line - 1], found.span)
    number = str(found.span.line)
    margin = " " * len(number)
    mark = terminal.paint(str(found.severity), caret.lstrip(" "))
    indent = " " * (len(caret) - len(caret.lstrip(" ")))
    return [head, f"  {number} | {source}", f"  {margin} | {indent}{mark}"]


def _excerpt(line: str, span: Span) -> tuple[str, str]:
    """The part of a line around the place, and the caret line under it."""
    start = min(span.column - 1, len(line))
    end = min(span.end_column - 1, len(line)) if span.end_line == span.line else len(line)
    first = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = line[first : first + _WIDTH]
    before = _cells(clean(line[first:start]))
    width = _cells(clean(line[start : min(end, first + _WIDTH)]))
    return clean(shown).expandtabs(1), " " * before + "^" * max(1, width)


def _cells(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
