"""Fenced blocks: how they open and close, their language and name (MAML.md §1; 305, 306).

CommonMark decides where a fence begins and ends. The profile allows one form of it: back-ticks at
column 1, closed; anything else is MAML305 and read as a fence all the same. An opening fence inside
an open one is MAML306: CommonMark calls it text, and the author hardly ever meant that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markdown_it.token import Token

from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Fence

_OPENING = re.compile(r"(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>.*)\Z")
_LANGUAGE = re.compile(r"[^\s{]*")
_ATTRIBUTE = re.compile(r"\{#([^{}\s]+)\}\Z")
_HEADING: Final = re.compile(r"## *(.*)\Z")


@dataclass(frozen=True, slots=True)
class ReadFence:
    """A fence and what is to be known of its edges.

    Attributes:
        last_line: line number of its closing line, or of the last line when it is not closed.
        attribute: what follows the language, stripped; `{#name}` in the only form allowed.
        swallowed: headings of what it took in by mistake; its content cannot be judged then.
        broken: its end is not where the author meant it, so nothing is said of its content.
    """

    fence: Fence
    last_line: int
    attribute: str
    swallowed: tuple[str, ...]
    broken: bool
    closed: bool
    diagnostics: tuple[Diagnostic, ...]


def read_fence(token: Token, lines: Sequence[str], first_line: int) -> ReadFence:
    """One top-level `fence` token; `lines` are the body's, the first of them `first_line`."""
    start, end = token.map or [0, 1]
    line = first_line + start
    opening = _OPENING.match(lines[start])
    indent, ticks, info = opening.group("indent", "ticks", "info") if opening else ("", "```", "")
    closed = end - 1 > start and _closes(lines[end - 1], ticks)
    content = lines[start + 1 : end - 1 if closed else end]
    inner = [n for n, text in enumerate(content) if _opens_inside(text, ticks)]
    headings = tuple(m[1] for m in map(_HEADING.match, content) if m)
    broken = bool(inner) or (not closed and bool(headings))
    found = [*_form(indent, ticks, closed, line, lines[start])]
    found += [_nested(content[n], line + 1 + n) for n in inner]
    return ReadFence(
        fence=_fence(token, lines[start], info.strip(), line),
        last_line=first_line + end - 1,
        attribute=info.strip()[len(_language(info.strip())) :].strip(),
        swallowed=headings if broken else (),
        broken=broken,
        closed=closed,
        diagnostics=tuple(found),
    )


def _language(info: str) -> str:
    match = _LANGUAGE.match(info)
    return match[0] if match else ""


def _fence(token: Token, opening: str, info: str, line: int) -> Fence:
    language = _language(info)
    attribute = info[len(language) :].strip()
    named = _ATTRIBUTE.match(attribute)
    language_column = len(opening) - len(opening.lstrip(" `~")) + 1
    name_column = opening.rfind(attribute) + 1 if attribute else 0
    return Fence(
        info=info,
        language=language,
        name=named[1] if named else None,
        source=token.content.removesuffix("\n"),
        span=Span.at(line, 1, len(opening)),
        first_line=line + 1,
        language_span=Span.at(line, language_column, max(1, len(language))),
        name_span=Span.at(line, name_column, len(attribute)) if attribute else None,
    )


def _closes(line: str, ticks: str) -> bool:
    text = line.rstrip(" \t")
    bare = text.lstrip(" ")
    return len(text) - len(bare) <= 3 and len(bare) >= len(ticks) and set(bare) == {ticks[0]}  # noqa: PLR2004


def _opens_inside(line: str, ticks: str) -> bool:
    """Ticks at least as long as the open fence's, with an info string."""
    match = _OPENING.match(line)
    if match is None or not match["ticks"].startswith(ticks):
        return False
    info = match["info"].strip()
    return bool(info) and not (ticks[0] == "`" and "`" in info)


def _form(indent: str, ticks: str, closed: bool, line: int, text: str) -> list[Diagnostic]:  # noqa: FBT001
    wrong = []
    if indent:
        wrong.append("indented")
    if ticks[0] == "~":
        wrong.append("made of tildes")
    if not closed:
        wrong.append("never closed")
    if not wrong:
        return []
    return [
        Diagnostic(
            "MAML305",
            Severity.ERROR,
            Span.at(line, 1, len(text)),
            f"fence is {' and '.join(wrong)}",
            "write ``` at column 1, and close with as many",
            fixable=True,
        )
    ]


def _nested(text: str, line: int) -> Diagnostic:
    return Diagnostic(
        "MAML306",
        Severity.ERROR,
        Span.at(line, 1, len(text)),
        f"'{text.strip()}' opens a fence inside an open fence",
        "close the fence above it, or give the outer fence more back-ticks",
        fixable=True,
    )
