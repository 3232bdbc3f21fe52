r"""ECMA 262 regular expressions (the dialect of JSON Schema's `pattern`) on Python's engine.

The two dialects differ where it matters for a contract: `$` is the very end of the string and not
before a last line feed, `\d` and `\w` are ASCII, `.` stops at four line ends, `[]` matches nothing.
A pattern is therefore rewritten, piece by piece; what ECMA does not know (`\A`, `(?P<n>…)`, inline
flags) is refused instead of being taken for something else.

An author's patterns judge values that the author's kernels made, in the gateway's process: a search
must not take exponential time. So `searcher` knows Rust's linear-time engine alone; look-around and
back references, which no such engine has, are refused there. Python's engine compiles a pattern to
say whether it is one, and never searches with a stranger's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

_SPACE = "\\t\\n\\v\\f\\r \\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_NO_SPACE = (
    "\\x00-\\x08\\x0e-\\x1f!-\\x9f\\xa1-\\u167f\\u1681-\\u1fff\\u200b-\\u2027\\u202a-\\u202e"
    "\\u2030-\\u205e\\u2060-\\u2fff\\u3001-\\ufefe\\uff00-\\U0010ffff"
)
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
# What \D, \W and \S add to a class: ranges, since a class cannot hold a negated class.
_OTHERS = {
    "d": "\\x00-/:-\\U0010ffff",
    "w": "\\x00-/:-@\\[-\\^`{-\\U0010ffff",
    "s": _NO_SPACE,
}
_KEPT = frozenset("tnvfr0")
_GROUPS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")
_NAMED = re.compile(r"\(\?<([A-Za-z_$][\w$]*)>")
_ESCAPED_CODE = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_BACK_REFERENCE = re.compile(r"k<([A-Za-z_]\w*)>|([1-9][0-9]?)")
_LONG_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
# Python's own \B does not hold in an empty string (before 3.14), ECMA's does.
_BOUNDARIES = {"b": r"(?a:\b)", "B": r"(?!(?a:\b))"}
_RUST = {"\\Z": "\\z", _BOUNDARIES["b"]: r"(?-u:\b)", _BOUNDARIES["B"]: r"(?-u:\B)"}
_LOOK_AROUND = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
_BACK_REFERENCES = ("(?P=", "(?:\\")
MAX_REPEAT = 65_535


class PatternSyntaxError(ValueError):
    """Text is not an ECMA 262 pattern, or uses a part of it that is not supported."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> re.Pattern[str]:
    """The pattern compiled for Python; use `search`, as JSON Schema does not anchor.

    Raises:
        PatternSyntaxError: the text is no pattern.
    """
    try:
        return re.compile(translate(text))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternSyntaxError(str(error)) from None


@lru_cache(maxsize=1024)
def searcher(text: str) -> Callable[[str], bool]:
    """A function that says whether the pattern is found in a string, in linear time.

    Raises:
        PatternSyntaxError: the text is no pattern, or is one that no linear-time engine has.
    """
    compile_pattern(text)
    source = "".join(_RUST.get(piece, piece) for piece in map(_linear, _pieces(text)))
    try:
        core = core_schema.str_schema(pattern=source, regex_engine="rust-regex", strict=True)
        return SchemaValidator(core).isinstance_python
    except SchemaError:
        raise PatternSyntaxError(
            "it does not compile for search in linear time", hint="write it shorter"
        ) from None


def _linear(piece: str) -> str:
    if piece in _LOOK_AROUND:
        raise PatternSyntaxError(
            f"look-around '{piece}…)' cannot be searched in linear time",
            hint="write what is allowed instead, or split it into two schemas under 'allOf', 'not'",
        )
    if piece.startswith(_BACK_REFERENCES):
        raise PatternSyntaxError(
            "a back reference cannot be searched in linear time",
            hint="write the alternatives out, or check equality in the kernel",
        )
    return piece


def translate(text: str) -> str:
    """Python source of an ECMA 262 pattern.

    Raises:
        PatternSyntaxError: an escape, group or class that is no ECMA 262.
    """
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        piece, at = _piece(text, at)
        yield piece


def _piece(text: str, at: int) -> tuple[str, int]:
    char = text[at]
    if char == "\\":
        return _escape(text, at + 1, in_class=False)
    if char == "[":
        return _character_class(text, at + 1)
    if char == "(":
        return _group(text, at)
    if char in "*+?}" and text[at + 1 : at + 2] == "+":
        raise PatternSyntaxError(f"multiple repeat at position {at + 1}")
    if char == "{":
        _check_repeat(text, at)
    simple = {".": "[^\\n\\r\\u2028\\u2029]", "$": "\\Z"}
    return simple.get(char, char), at + 1


def _check_repeat(text: str, at: int) -> None:
    found = _LONG_REPEAT.match(text, at)
    if found is None:
        raise PatternSyntaxError(f"'{{' is not a repeat at position {at}")
    if any(part and int(part) > MAX_REPEAT for part in found.groups()):
        raise PatternSyntaxError(f"a repeat of more than {MAX_REPEAT} at position {at}")


def _group(text: str, at: int) -> tuple[str, int]:
    if text[at + 1 : at + 2] != "?":
        return "(", at + 1
    for opening in _GROUPS:
        if text.startswith(opening, at):
            return opening, at + len(opening)
    named = _NAMED.match(text, at)
    if named is None:
        raise PatternSyntaxError(f"unknown group '{text[at : at + 3]}' at position {at}")
    return f"(?P<{named[1].replace('$', '_')}>", named.end()


def _escape(text: str, at: int, *, in_class: bool) -> tuple[str, int]:
    char = text[at : at + 1]
    code = _ESCAPED_CODE.match(text, at)
    if code is not None:
        return _code_point(code), code.end()
    back = None if in_class else _BACK_REFERENCE.match(text, at)
    if back is not None:
        return (f"(?P={back[1]})" if back[1] else f"(?:\\{back[2]})"), back.end()
    return _one_letter(char, at, in_class=in_class), at + 1


def _code_point(found: re.Match[str]) -> str:
    value = int(next(group for group in found.groups() if group), 16)
    if value > sys.maxunicode:
        raise PatternSyntaxError(f"no such code point at position {found.start()}")
    return re.escape(chr(value))


def _one_letter(char: str, at: int, *, in_class: bool) -> str:
    if char and char.lower() in _CLASSES:
        return _shorthand(char, in_class=in_class)
    if char and char in _KEPT:
        return "\\x00" if char == "0" else f"\\{char}"
    if char.isascii() and char.isprintable() and char and not char.isalnum():
        return re.escape(char)
    if in_class and char == "b":
        return "\\x08"
    if not in_class and char in _BOUNDARIES:
        return _BOUNDARIES[char]
    raise PatternSyntaxError(f"unknown escape '\\{char}' at position {at - 1}")


def _shorthand(char: str, *, in_class: bool) -> str:
    members = _CLASSES[char.lower()]
    if char.islower():
        return members if in_class else f"[{members}]"
    if not in_class:
        return f"[^{members}]"
    return _OTHERS[char.lower()]


def _character_class(text: str, at: int) -> tuple[str, int]:
    negated = text[at : at + 1] == "^"
    at += int(negated)
    if text[at : at + 1] == "]":
        return ("[\\x00-\\U0010ffff]" if negated else "[^\\x00-\\U0010ffff]"), at + 1
    out = ["[^" if negated else "["]
    while at < len(text) and text[at] != "]":
        if text[at] == "\\":
            piece, at = _escape(text, at + 1, in_class=True)
        else:
            # A hyphen that begins a class, or ends a range, stands for itself.
            literal = text[at] in "[&~|" or (text[at] == "-" and out[-1] in {"[", "[^", "-"})
            piece, at = ("\\" + text[at] if literal else text[at]), at + 1
        out.append(piece)
    if at >= len(text):
        raise PatternSyntaxError("a class '[' is not closed")
    return "".join(out) + "]", at + 1
