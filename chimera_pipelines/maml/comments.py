"""HTML comments above History, outside code (MAML.md §1; 105): where hidden instructions live.

Inline text is read by one linear scan for what decides here: escapes, code spans, comments. A full
inline parser would only add link and emphasis rules, which hide no comment.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.lines import LineIndex

_BLOCK_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_INLINE = re.compile(r"\\[`<\\]|`+|<!--")


def comments(tokens: Sequence[Token], lines: Sequence[str], first_line: int) -> list[Diagnostic]:
    """MAML105 where each comment begins.

    Args:
        tokens: block tokens of the body.
        lines: of the body.
        first_line: the document's line number of the first of them.
    """
    found: list[Diagnostic] = []
    for token in tokens:
        if token.type not in ("html_block", "inline") or "<!--" not in token.content:
            continue
        start, end = token.map or [0, 0]
        raw = "\n".join(lines[start:end])
        offsets = _in_html(raw) if token.type == "html_block" else _in_prose(raw)
        places = LineIndex(raw, first_line + start)
        found += [_comment(*places.place(offset)) for offset in offsets]
    return found


def _comment(line: int, column: int) -> Diagnostic:
    return Diagnostic(
        "MAML105",
        Severity.WARNING,
        Span.at(line, column, 4),
        "html comment, which renderers hide",
        "say it in prose, or remove it",
    )


def _in_html(raw: str) -> Iterator[int]:
    return (match.start() for match in _BLOCK_COMMENT.finditer(raw))


def _in_prose(raw: str) -> Iterator[int]:
    """Offsets of closed comments that stand in no code span."""
    runs: dict[int, list[int]] = defaultdict(list)
    for run in re.finditer("`+", raw):
        runs[len(run[0])].append(run.start())
    at = 0
    while (match := _INLINE.search(raw, at)) is not None:
        at = match.end()
        if match[0] == "<!--":
            end = raw.find("-->", match.start() + 2)
            if end < 0:
                return
            yield match.start()
            at = end + 3
        elif match[0][0] == "`":
            same = runs[len(match[0])]
            following = bisect_left(same, at)
            if following < len(same):
                at = same[following] + len(match[0])
