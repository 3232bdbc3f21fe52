"""YAML 1.2 as a JSON-compatible subset, with the place of every key and value (MAML.md §2).

Built on PyYAML's event stream, never on its composer or constructor: anchors are seen but not
kept and aliases are refused where they stand, so nothing can expand and the cost is linear in the
text. The stack of open collections is explicit; what is nested too deeply is skipped, not built.

A problem says what is wrong with one place; the rest of the block is read on. Only a text that
does not parse (`ok` is false) or a value listed in `unread` is unknown to the caller, who must not
say anything that would need it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import yaml

from chimera_pipelines.digest import MAX_INTEGER, JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Path, Places
from chimera_pipelines.maml.lines import LineIndex

Kind: TypeAlias = Literal["syntax", "duplicate", "feature", "depth", "number", "key", "dialect"]
Dialect: TypeAlias = Literal["front", "context", "dependencies", "schema"]

FRONT_DEPTH: Final = 8
BLOCK_DEPTH: Final = 16

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_CONSTANTS: Final[dict[str, JSONValue]] = {
    "": None, "~": None, "null": None, "true": True, "false": False,
}  # fmt: skip
_NOT_YAML = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EXACT_ERRORS_BELOW = 16 * 1024
_LONGEST_INTEGER = 17
_RESOLVERS: Final[dict[str | None, list[tuple[str, re.Pattern[str]]]]] = (
    yaml.SafeLoader.yaml_implicit_resolvers
)
_CODES: Final[dict[Dialect, dict[Kind, str]]] = {
    "front": {"duplicate": "MAML204", "feature": "MAML205", "dialect": "MAML211"},
    "context": {"duplicate": "MAML204", "feature": "MAML205", "dialect": "MAML211"},
    "dependencies": {"dialect": "MAML211"},
    "schema": {"dialect": "MAML211"},
}
_OTHER_CODE: Final[dict[Dialect, str]] = {
    "front": "MAML203", "context": "MAML203", "dependencies": "MAML402", "schema": "MAML501",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """One thing that the subset does not allow. Kind `dialect` is a warning, all else an error."""

    kind: Kind
    code: str
    span: Span
    message: str
    hint: str | None = None

    def diagnostic(self) -> Diagnostic:
        """The finding that `chimera check` shows."""
        severity = Severity.WARNING if self.kind == "dialect" else Severity.ERROR
        return Diagnostic(
            self.code, severity, self.span, self.message, self.hint, fixable=self.kind == "dialect"
        )


@dataclass(frozen=True, slots=True)
class YamlResult:
    """A read block.

    Attributes:
        value: the plain JSON value; None where nothing was read.
        places: spans of keys and values by path.
        problems: in the order of the text.
        unread: paths whose value is not known; `value` holds None there.
        incomplete: paths of mappings that may lack keys, after a merge key or an unusable one.
        ok: false when the text does not parse, so that nothing of it was read.
    """

    value: JSONValue
    places: Places
    problems: tuple[YamlProblem, ...]
    unread: frozenset[Path] = frozenset()
    incomplete: frozenset[Path] = frozenset()
    ok: bool = True

    @property
    def errors(self) -> tuple[YamlProblem, ...]:
        """The problems that are no mere warnings."""
        return tuple(p for p in self.problems if p.kind != "dialect")


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
class _Reader:
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
        code = _code(kind, self.dialect)
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
                "number", span, f"number '{text[:40]}' is out of range", "quote it, or use less"
            )
            self.unread.add(path)
        return number

    def _warn(self, text: str, span: Span) -> None:
        """MAML211: what YAML 1.1 reads as something else than a string."""
        for tag, pattern in [*_RESOLVERS.get(text[:1], ()), *_RESOLVERS.get(None, ())]:
            if pattern.match(text):
                kind = tag.rpartition(":")[2]
                self._problem("dialect", span, f"'{text}' is a {kind} in yaml 1.1", "quote it")
                return


def _code(kind: Kind, dialect: Dialect) -> str:
    return _CODES[dialect].get(kind, _OTHER_CODE[dialect])


def read_number(text: str) -> int | float | None:
    """A JSON number: finite, integers of at most 53 bits; None when it is out of that range."""
    if any(sign in text for sign in ".eE"):
        number = float(text)
        return number if math.isfinite(number) else None
    if len(text) > _LONGEST_INTEGER or abs(int(text)) > MAX_INTEGER:
        return None
    return int(text)


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
    reader = _Reader(first_line, column0, max_depth, dialect)
    strange = _NOT_YAML.search(text)
    if strange is not None:
        span = LineIndex(text, first_line, column0).span(strange.start(), strange.end())
        message = f"character U+{ord(strange[0]):04X} is not allowed in yaml"
        problem = YamlProblem("syntax", _code("syntax", dialect), span, message, "remove it")
        return YamlResult(None, Places(), (problem,), ok=False)
    try:
        for event in _events(yaml.CSafeLoader, text):
            reader.read(event)
    except yaml.YAMLError as error:
        span, message = _syntax(error, text, first_line, column0)
        problem = YamlProblem("syntax", _code("syntax", dialect), span, message)
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
    """Where the text stops being YAML. PyYAML's own scanner is slow and names places better."""
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
