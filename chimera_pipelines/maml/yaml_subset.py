"""YAML 1.2 as a JSON-compatible subset, with the place of every key and value (MAML.md §2).

Built on PyYAML's event stream, never on its composer or constructor: anchors are seen but not
kept and aliases are refused where they stand, so nothing can expand and the cost is linear in the
text.

A problem says what is wrong with one place; the rest of the block is read on. Only a text that
does not parse (`ok` is false) or a value listed in `unread` is unknown to the caller, who must not
say anything that would need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from chimera_pipelines.maml.diagnostics import Span
from chimera_pipelines.maml.document import Places
from chimera_pipelines.maml.lines import LineIndex
from chimera_pipelines.maml.yaml_builder import Builder
from chimera_pipelines.maml.yaml_result import Dialect, YamlProblem, YamlResult, problem_code

FRONT_DEPTH: Final = 8
BLOCK_DEPTH: Final = 16

_NOT_YAML = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# PyYAML's own scanner is slow, and names the places of errors better than libyaml.
_EXACT_ERRORS_BELOW: Final = 16 * 1024


def load_mapping(
    text: str,
    *,
    first_line: int,
    column0: int = 1,
    max_depth: int = BLOCK_DEPTH,
    dialect: Dialect = "context",
) -> YamlResult:
    """One yaml block as plain JSON values.

    Args:
        text: the lines of the block, joined by LF.
        first_line: the document's line number of its first line.
        column0: the column where its lines begin.
        max_depth: collections inside one another, the top one included.
        dialect: what kind of block it is; the codes of problems depend on it, the grammar does not.
    """
    reader = Builder(first_line, column0, max_depth, dialect)
    strange = _NOT_YAML.search(text)
    if strange is not None:
        span = LineIndex(text, first_line, column0).span(strange.start(), strange.end())
        message = f"character U+{ord(strange[0]):04X} is not allowed in yaml"
        problem = YamlProblem("syntax", problem_code("syntax", dialect), span, message, "remove it")
        return YamlResult(None, Places(), (problem,), ok=False)
    try:
        for event in _events(yaml.CSafeLoader, text):
            reader.read(event)
    except yaml.YAMLError as error:
        span, message = _syntax(error, text, first_line, column0)
        problem = YamlProblem("syntax", problem_code("syntax", dialect), span, message)
        kept = [p for p in reader.problems if p.span < problem.span]
        return YamlResult(None, Places(), (*kept, problem), ok=False)
    reader.values.setdefault((), Span.at(first_line, column0))
    places = Places(reader.keys, reader.values)
    several = reader.documents > 1
    return YamlResult(
        None if several else reader.value,
        places,
        tuple(reader.problems),
        frozenset(reader.unread),
        frozenset(reader.incomplete),
        ok=not several,
    )


def _events(loader: Any, text: str) -> Iterator[Any]:
    parser = loader(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _syntax(error: yaml.YAMLError, text: str, first_line: int, column0: int) -> tuple[Span, str]:
    """Where the text stops being YAML, inside the block, and why."""
    if len(text) <= _EXACT_ERRORS_BELOW:
        try:
            for _ in _events(yaml.SafeLoader, text):
                pass
        except yaml.YAMLError as better:
            error = better
        except RecursionError:
            pass
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    last = text.count("\n")
    if line > last:
        line, column = last, len(text) - (text.rfind("\n") + 1)
    message = str(getattr(error, "problem", None) or "cannot be read").lower()
    return Span.at(first_line + line, column0 + column), f"yaml: {message}"
