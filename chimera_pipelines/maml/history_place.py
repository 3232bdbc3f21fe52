"""Where History stands in the structure of a document (MAML.md §1; MAML304).

The bytes decide which line is the History line: the last that is exactly `## History`. The block
structure decides whether it is a heading there. When it is not, because a closed fence or a comment
holds it, the file has no History, and all of it is the author's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.history import history_diagnostics, parse_tail
from chimera_pipelines.maml.sections import HISTORY, Body, read_body
from chimera_pipelines.maml.text import Text

_LINE = "## History"
_SECTION = re.compile(r"##[ \t]+(.*)\Z")
_HINT = "keep one '## History', as the last section"


@dataclass(frozen=True, slots=True)
class Placed:
    """The body above History, and headings that stand below it."""

    body: Body
    below: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


def place_history(text: Text, first_line: int) -> Placed:
    """Tell the author's part from the machine's.

    Args:
        text: of the whole file.
        first_line: the line below the front matter.
    """
    at = text.parts.history_line
    above = _from_line(text.body, first_line)
    if at is None or at < first_line:
        return Placed(read_body(above, first_line), (), tuple(_earlier(text, None)))
    body = read_body(f"{above}{_LINE}\n", first_line)
    if body.sections and body.sections[-1].heading.line == at:
        body = replace(body, sections=body.sections[:-1])
        return _below(text, body, at)
    whole = read_body(_from_line(text.text, first_line), first_line)
    around = [f for f in whole.fences if f.fence.span.line < at <= f.last_line]
    if around and not around[0].closed:
        return _below(text, read_body(above, first_line), at)
    return Placed(whole, (), tuple(_earlier(text, None)))


def _from_line(text: str, line: int) -> str:
    return "\n".join(text.split("\n")[line - 1 :])


def _earlier(text: Text, last: int | None) -> list[Diagnostic]:
    """Every line `## History` but the one that is History."""
    return [
        _problem(number, row, "'## History' stands where it is no last section")
        for number, row in enumerate(text.text.split("\n"), 1)
        if row == _LINE and number != last
    ]


def _below(text: Text, body: Body, at: int) -> Placed:
    """Judge what stands under the heading: entries, and sections that should not be there."""
    rows = text.parts.tail.decode().split("\n")
    found = _earlier(text, at)
    names = []
    end = len(rows)
    for number, row in enumerate(rows):
        heading = _SECTION.match(row)
        if heading is None:
            continue
        end = min(end, number)
        names.append(heading[1])
        found.append(_problem(at + 1 + number, row, f"'{row.strip()}' stands below {HISTORY}"))
    tail = text.parts.tail if end == len(rows) else ("\n".join(rows[:end]) + "\n").encode()
    entries = parse_tail(tail, at + 1)
    return Placed(body, tuple(names), (*found, *history_diagnostics(entries)))


def _problem(line: int, row: str, message: str) -> Diagnostic:
    return Diagnostic("MAML304", Severity.ERROR, Span.at(line, 1, len(row)), message, _HINT)
