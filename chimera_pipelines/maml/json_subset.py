"""Strict JSON (RFC 8259) with the place of every key and value (MAML.md §5).

Stricter than `json.loads`: duplicate keys, `NaN`, infinities, numbers that no double can hold and
lone surrogates are problems; comments and trailing commas are syntax errors. The places of syntax
errors are those that CPython's own parser reports. The stack is explicit, so that nesting is
bounded by `max_depth` and not by the interpreter.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from chimera_pipelines.digest import MAX_DEPTH, JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Path, Places
from chimera_pipelines.maml.lines import LineIndex

Kind: TypeAlias = Literal["syntax", "duplicate", "number", "text", "depth"]

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_WORDS: Final[dict[str, JSONValue]] = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null|NaN|-?Infinity")
_LONGEST_INTEGER = 400


@dataclass(frozen=True, slots=True)
class JsonProblem:
    """One thing that strict JSON does not allow; always MAML501."""

    kind: Kind
    span: Span
    message: str
    hint: str | None = None

    def diagnostic(self) -> Diagnostic:
        """The finding that `chimera check` shows."""
        return Diagnostic("MAML501", Severity.ERROR, self.span, self.message, self.hint)


class _Syntax(Exception):  # noqa: N818 (never leaves this module)
    def __init__(self, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


@dataclass(slots=True)
class _Open:
    path: Path
    start: int
    items: dict[str, JSONValue] | list[JSONValue]
    key: str = ""
    repeated: bool = False


@dataclass(slots=True)
class _Reader:
    text: str
    lines: LineIndex
    max_depth: int
    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)
    problems: list[JsonProblem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    value: JSONValue = None
    at: int = 0

    def read(self) -> None:
        """Read the whole text: one value and nothing after it."""
        self._value()
        while self.stack:
            self._next()
        if self._peek():
            raise _Syntax("extra data", self.at)

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def _next(self) -> None:
        """After a value or an opening: the next member of the innermost collection, or its end."""
        top = self.stack[-1]
        closing = "}" if isinstance(top.items, dict) else "]"
        char = self._peek()
        if char == closing:
            self.at += 1
            self.stack.pop()
            self._put(top.path, top.start, top.items)
            return
        if top.items:
            if char != ",":
                raise _Syntax("expecting ',' delimiter", self.at)
            self.at += 1
            self._peek()
        if isinstance(top.items, dict):
            self._member(top)
        self._value()

    def _member(self, top: _Open) -> None:
        start = self.at
        if self._peek() != '"':
            hint = "no comment and no comma before '}'"
            raise _Syntax("expecting a property name in double quotes", self.at, hint)
        key = self._string()
        span = self.lines.span(start, self.at)
        top.repeated = isinstance(top.items, dict) and key in top.items
        if top.repeated:
            self._problem("duplicate", start, self.at, f"key '{key}' stands twice")
        else:
            self.keys[(*top.path, key)] = span
        top.key = key
        if self._peek() != ":":
            raise _Syntax("expecting ':' delimiter", self.at)
        self.at += 1

    def _problem(self, kind: Kind, start: int, end: int, message: str) -> None:
        self.problems.append(JsonProblem(kind, self.lines.span(start, end), message))

    def _value(self) -> None:
        char = self._peek()
        start = self.at
        path = self._path()
        if char in ("{", "["):
            if len(self.stack) >= self.max_depth:
                raise _Syntax(f"more than {self.max_depth} levels", start)
            self.at += 1
            self.stack.append(_Open(path, start, {} if char == "{" else []))
        elif char == '"':
            self._put(path, start, self._string())
        else:
            self._put(path, start, self._scalar(start))

    def _path(self) -> Path:
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.items) if isinstance(top.items, list) else top.key)

    def _put(self, path: Path, start: int, value: JSONValue) -> None:
        top = self.stack[-1] if self.stack else None
        if top is None:
            self.value = value
        elif isinstance(top.items, list):
            top.items.append(value)
        elif not top.repeated:
            top.items[top.key] = value
        if top is None or not top.repeated:
            self.values[path] = self.lines.span(start, self.at)

    def _scalar(self, start: int) -> JSONValue:
        word = _WORD.match(self.text, start)
        if word is not None:
            self.at = word.end()
            if word[0] not in _WORDS:
                self._problem("number", start, self.at, f"'{word[0]}' is not a json number")
                return None
            return _WORDS[word[0]]
        number = _NUMBER.match(self.text, start)
        if number is None:
            raise _Syntax("expecting a value", start)
        self.at = number.end()
        return self._number(number[0], start)

    def _number(self, text: str, start: int) -> JSONValue:
        if any(sign in text for sign in ".eE"):
            value: int | float = float(text)
            fits = math.isfinite(value)
        else:
            fits = len(text) <= _LONGEST_INTEGER
            value = int(text) if fits else 0
        if not fits:
            self._problem("number", start, self.at, f"number '{text[:40]}' is out of range")
            return None
        return value

    def _string(self) -> str:
        """A string literal from its opening quote on."""
        start = self.at
        at = start + 1
        escaped = False
        while True:
            plain = _PLAIN.match(self.text, at)
            at = plain.end() if plain else at
            char = self.text[at : at + 1]
            if char == '"':
                break
            if not char:
                raise _Syntax("unterminated string", start)
            if char != "\\":
                raise _Syntax("control character in a string", at)
            escape = _ESCAPE.match(self.text, at)
            if escape is None:
                raise _Syntax("invalid escape in a string", at)
            at = escape.end()
            escaped = True
        self.at = at + 1
        if not escaped:
            return self.text[start + 1 : at]
        value: str = json.loads(self.text[start : self.at])
        if any("\ud800" <= c <= "\udfff" for c in value):
            self._problem("text", start, self.at, "lone surrogate in a string")
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value


@dataclass(frozen=True, slots=True)
class JsonResult:
    """A read text. `ok` is false when anything is wrong; then `value` is not to be judged."""

    value: JSONValue
    places: Places
    problems: tuple[JsonProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether the text is strict JSON."""
        return not self.problems


def load_json(
    text: str, *, first_line: int, column0: int = 1, max_depth: int = MAX_DEPTH
) -> JsonResult:
    """One JSON text as plain values.

    Args:
        text: the lines of the block, joined by LF.
        first_line: the document's line number of its first line.
        column0: the column where its lines begin.
        max_depth: collections inside one another, the outermost included.
    """
    lines = LineIndex(text, first_line, column0)
    reader = _Reader(text, lines, max_depth)
    try:
        reader.read()
    except _Syntax as error:
        span = lines.span(error.offset, error.offset + 1)
        problem = JsonProblem("syntax", span, f"json: {error.message}", error.hint)
        return JsonResult(None, Places(), (*reader.problems, problem))
    return JsonResult(reader.value, Places(reader.keys, reader.values), tuple(reader.problems))
