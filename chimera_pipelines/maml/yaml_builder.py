"""Values and places from a stream of yaml events (MAML.md §2).

The stack of open collections is explicit; what is nested too deeply, or stands under a key that
cannot be used, is skipped and not built.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from chimera_pipelines.digest import MAX_INTEGER, JSONValue
from chimera_pipelines.maml.diagnostics import Span
from chimera_pipelines.maml.document import Path
from chimera_pipelines.maml.yaml_result import Dialect, Kind, YamlProblem, problem_code

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_CONSTANTS: Final[dict[str, JSONValue]] = {
    "": None, "~": None, "null": None, "true": True, "false": False,
}  # fmt: skip
_LONGEST_INTEGER = 17
_SHOWN = 40  # characters of a scalar in a message
_RESOLVERS: Final[dict[str | None, list[tuple[str, re.Pattern[str]]]]] = (
    yaml.SafeLoader.yaml_implicit_resolvers
)


@dataclass(slots=True)
class _Open:
    """A collection that is being read; `key` is the mapping key that waits for its value."""

    path: Path
    start: tuple[int, int]
    flow: bool
    items: dict[str, JSONValue] | list[JSONValue]
    last_end: tuple[int, int]
    wants_key: bool = True
    key: str | None = None
    dropped: bool = False


@dataclass(slots=True)
class Builder:
    """Events in, value and places out. One method a kind of event."""

    first_line: int
    column0: int
    max_depth: int
    dialect: Dialect
    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    problems: list[YamlProblem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    incomplete: set[Path] = field(default_factory=set)
    stack: list[_Open] = field(default_factory=list)
    value: JSONValue = None
    skipping: int = 0
    skipping_value: bool = False
    documents: int = 0

    def read(self, event: Any) -> None:
        """Take one event."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._document(event)
        elif self.documents > 1 or isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent):
            return
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(event)
        elif self.skipping:
            return
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _place(self, mark: Any) -> tuple[int, int]:
        return self.first_line + mark.line, self.column0 + mark.column

    def _span(self, event: Any) -> Span:
        return Span(*self._place(event.start_mark), *self._place(event.end_mark))

    def _problem(self, kind: Kind, span: Span, message: str, hint: str | None = None) -> None:
        code = problem_code(kind, self.dialect)
        self.problems.append(YamlProblem(kind, code, span, message, hint))

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents == 2:  # noqa: PLR2004
            self._problem("syntax", self._span(event), "second document", "keep one")

    def _properties(self, event: Any) -> bool:
        """Refuse an anchor or a tag; true when the value may be used all the same."""
        if event.anchor is None and event.tag is None:
            return True
        what = f"anchor '&{event.anchor}'" if event.anchor is not None else f"tag '{event.tag}'"
        line, column = self._place(event.start_mark)
        self._problem("feature", Span.at(line, column), what, "write the value out")
        return event.tag is None

    # Where the next node goes: a path for a value, None for a key or inside a dropped entry.

    def _target(self) -> Path | None:
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.items, list):
            return (*top.path, len(top.items))
        if top.wants_key or top.dropped:
            return None
        return (*top.path, str(top.key))

    def _open(self, event: Any) -> None:
        if self.skipping:
            self.skipping += 1
            return
        target = self._target()
        if target is None:
            if self.stack[-1].wants_key:
                self._problem("key", self._span(event), "a key must be a string")
            self.skipping, self.skipping_value = 1, False
            return
        usable = self._properties(event)
        if len(self.stack) >= self.max_depth:
            self._problem(
                "depth", self._span(event), f"more than {self.max_depth} levels", "nest less"
            )
            usable = False
        if not usable:
            self.unread.add(target)
            self._put(target, None, self._span(event))
            self.skipping, self.skipping_value = 1, True
            return
        is_map = isinstance(event, yaml.MappingStartEvent)
        start = self._place(event.start_mark)
        self.stack.append(
            _Open(
                target,
                start,
                bool(event.flow_style),
                {} if is_map else [],
                self._place(event.end_mark),
            )
        )

    def _close(self, event: Any) -> None:
        if self.skipping:
            self.skipping -= 1
            if not self.skipping and not self.skipping_value:
                self._drop()
            return
        done = self.stack.pop()
        end = self._place(event.end_mark) if done.flow else done.last_end
        self._put(done.path, done.items, Span(*done.start, *max(end, done.start)))

    def _alias(self, event: Any) -> None:
        span = self._span(event)
        self._problem("feature", span, f"alias '*{event.anchor}'", "write the value out")
        target = self._target()
        if target is not None:
            self.unread.add(target)
            self._put(target, None, span)
        else:
            self._drop()

    def _scalar(self, event: Any) -> None:
        target = self._target()
        if target is None:
            if self.stack[-1].wants_key:
                self._key(event)
            else:
                self._drop()
            return
        span = self._span(event)
        if not self._properties(event):
            self.unread.add(target)
            self._put(target, None, span)
        elif event.style:
            self._put(target, event.value, span)
        else:
            self._put(target, self._plain(event.value, span, target), span)

    def _drop(self) -> None:
        """The node at hand is an unusable key, whose value is forgotten, or that value."""
        top = self.stack[-1]
        top.dropped = top.wants_key
        top.wants_key = not top.wants_key

    def _key(self, event: Any) -> None:
        top = self.stack[-1]
        text: str = event.value
        span = self._span(event)
        plain = not event.style
        if not self._properties(event):
            self.incomplete.add(top.path)
        elif plain and text == "<<":
            self._problem("feature", span, "merge key '<<'", "write the keys out")
            self.incomplete.add(top.path)
        elif plain and (text in _CONSTANTS or _NUMBER.match(text)):
            self._problem("key", span, f"key '{text}' is not a string", "quote it")
        elif isinstance(top.items, dict) and text in top.items:
            self._problem("duplicate", span, f"key '{text}' stands twice")
        else:
            if plain:
                self._warn(text, span)
            self.keys[(*top.path, text)] = span
            top.key, top.wants_key = text, False
            return
        self._drop()

    def _put(self, path: Path, value: JSONValue, span: Span) -> None:
        self.values[path] = span
        if not self.stack:
            self.value = value
            return
        top = self.stack[-1]
        top.last_end = max(top.last_end, (span.end_line, span.end_column))
        if isinstance(top.items, list):
            top.items.append(value)
        else:
            top.items[str(top.key)] = value
            top.key, top.wants_key = None, True

    def _plain(self, text: str, span: Span, path: Path) -> JSONValue:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if not _NUMBER.match(text):
            self._warn(text, span)
            return text
        number = read_number(text)
        if number is None:
            self._problem(
                "number", span, f"number '{text[:_SHOWN]}' is out of range", "quote it, or use less"
            )
            self.unread.add(path)
        return number

    def _warn(self, text: str, span: Span) -> None:
        """MAML211: what YAML 1.1 reads as something else than a string."""
        for tag, pattern in [*_RESOLVERS.get(text[:1], ()), *_RESOLVERS.get(None, ())]:
            if pattern.match(text):
                kind = tag.rpartition(":")[2]
                shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
                self._problem("dialect", span, f"'{shown}' is a {kind} in yaml 1.1", "quote it")
                return


def read_number(text: str) -> int | float | None:
    """A JSON number: finite, integers of at most 53 bits; None when it is out of that range."""
    if any(sign in text for sign in ".eE"):
        number = float(text)
        return number if math.isfinite(number) else None
    if len(text) > _LONGEST_INTEGER or abs(int(text)) > MAX_INTEGER:
        return None
    return int(text)
