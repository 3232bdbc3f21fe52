"""The body: title, `##` sections, fences and comments, on CommonMark's blocks (MAML.md §1).

markdown-it reads blocks alone; nothing here depends on inline text. Link definitions are switched
off: they decide nothing either, and reading many of them is quadratic.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chimera_pipelines.maml.comments import comments
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Section
from chimera_pipelines.maml.fences import ReadFence, read_fence

INTENT, CONTEXT, DEPENDENCIES = "Intent", "Context", "Dependencies"
CODE, INPUTS, OUTPUTS = "Code_Blocks", "Input_Schema", "Output_Schema"
VERIFICATION, HISTORY = "Verification", "History"
RESERVED: Final = (INTENT, CONTEXT, DEPENDENCIES, CODE, INPUTS, OUTPUTS, VERIFICATION, HISTORY)
REQUIRED: Final = (INTENT, CODE)

_NO_LETTER = re.compile(r"[^A-Za-z]")
_BY_LETTERS: Final = {_NO_LETTER.sub("", name).lower(): name for name in RESERVED}

_BLOCKS = MarkdownIt("commonmark").disable("reference")
_BLOCKS.core.ruler.disable("inline")


@dataclass(frozen=True, slots=True)
class Body:
    """What stands between the front matter and History."""

    title: str | None
    sections: tuple[Section, ...]
    fences: tuple[ReadFence, ...]
    diagnostics: tuple[Diagnostic, ...]

    def named(self, name: str) -> tuple[Section, ...]:
        """All sections of a name, in order; more than one only with MAML302."""
        return tuple(s for s in self.sections if s.name == name)


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    end: int
    level: int
    content: str


def canonical_name(content: str) -> str | None:
    """The reserved name whose ASCII letters a heading has, case aside."""
    return _BY_LETTERS.get(_NO_LETTER.sub("", content).lower())


def read_body(text: str, first_line: int) -> Body:
    """Sections, fences and comments of a body.

    Args:
        text: everything between front matter and History.
        first_line: the document's line number of its first line.
    """
    lines = text.split("\n")
    tokens = _BLOCKS.parse(text)
    headings = list(_headings(tokens))
    fences = tuple(
        read_fence(t, lines, first_line) for t in tokens if t.type == "fence" and t.level == 0
    )
    found = [d for f in fences for d in f.diagnostics]
    found += comments(tokens, lines, first_line)
    sections: list[Section] = []
    tops = [h for h in headings if h.level == 2]  # noqa: PLR2004
    for number, heading in enumerate(tops):
        until = tops[number + 1].start if number + 1 < len(tops) else len(lines)
        name, problem = _named(heading, lines, first_line)
        found += [problem] if problem else []
        sections.append(_section(name, heading, lines, first_line, until, fences))
    found += _repeated(sections)
    title = next(
        (h.content for h in headings if h.level == 1 and (not tops or h.start < tops[0].start)),
        None,
    )
    return Body(title, tuple(sections), fences, tuple(found))


def missing_sections(body: Body, elsewhere: Sequence[str], closing_line: int) -> list[Diagnostic]:
    """MAML301 at the line that closes the front matter.

    A section is not missing when a fence swallowed its heading or it stands below History: those
    are errors of their own.
    """
    there = {s.name for s in body.sections}
    there |= {canonical_name(text) or "" for f in body.fences for text in f.swallowed}
    there |= {canonical_name(text) or "" for text in elsewhere}
    return [
        Diagnostic(
            "MAML301",
            Severity.ERROR,
            Span.at(closing_line, 1, 3),
            f"section '## {name}' is missing",
            f"add '## {name}'",
            subject=name,
        )
        for name in REQUIRED
        if name not in there
    ]


def _headings(tokens: Sequence[Token]) -> Iterator[_Heading]:
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            start, end = token.map
            yield _Heading(start, end, int(token.tag[1:]), inline.content)


def _named(
    heading: _Heading, lines: Sequence[str], first_line: int
) -> tuple[str, Diagnostic | None]:
    """The section's name, and MAML303 where a reserved one is written in another form."""
    name = canonical_name(heading.content)
    text = lines[heading.start]
    if name is None or text == f"## {name}":
        return name or heading.content, None
    severity = Severity.ERROR if name == HISTORY else Severity.WARNING
    span = Span.at(first_line + heading.start, 1, max(1, len(text)))
    message = f"'{text.strip()}' is read as '## {name}'"
    return name, Diagnostic(
        "MAML303", severity, span, message, f"write '## {name}'", fixable=name != HISTORY
    )


def _section(
    name: str,
    heading: _Heading,
    lines: Sequence[str],
    first_line: int,
    until: int,
    fences: Sequence[ReadFence],
) -> Section:
    first = bisect_left(fences, first_line + heading.start, key=_opening_line)
    last = bisect_left(fences, first_line + until, key=_opening_line)
    return Section(
        name=name,
        heading=Span.at(first_line + heading.start, 1, max(1, len(lines[heading.start]))),
        text="\n".join(lines[heading.end : until]),
        first_line=first_line + heading.end,
        fences=tuple(f.fence for f in fences[first:last]),
    )


def _opening_line(fence: ReadFence) -> int:
    return fence.fence.span.line


def _repeated(sections: Sequence[Section]) -> list[Diagnostic]:
    found = []
    seen: set[str] = set()
    for section in sections:
        if section.name in seen and section.name != HISTORY:
            message = f"section '## {section.name}' is repeated"
            found.append(
                Diagnostic(
                    "MAML302", Severity.ERROR, section.heading, message, "merge it with the first"
                )
            )
        if section.name in RESERVED:
            seen.add(section.name)
    return found
