"""Parameters of a sql block: MAML's `:name` where DuckDB has `$name` (MAML.md §4, sql).

The reader and the sandbox use the same function, so that both see the same parameters.
"""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"(?<![:\w]):([a-z](?:_?[a-z0-9])*)\b")
# What is no place for a parameter: dollar-quoted and escaped texts, texts, names, comments.
_QUOTED = re.compile(
    r"(?<![\w$])\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w]*)?)\$.*?\$(?P=tag)\$"
    r"|(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'"
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)


def with_dollars(source: str) -> tuple[str, list[str]]:
    """DuckDB's text, every place as it was, and the names in order; texts and comments are kept."""
    names: list[str] = []

    def parameter(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${match[1]}"

    pieces, at = [], 0
    for quoted in _QUOTED.finditer(source):
        pieces += [_PARAMETER.sub(parameter, source[at : quoted.start()]), quoted[0]]
        at = quoted.end()
    return "".join(pieces) + _PARAMETER.sub(parameter, source[at:]), names
