"""Canonical JSON (RFC 8785) of I-JSON values (RFC 7493) and SHA-256 content ids (MAML.md §4, §8).

A value is what passes between kernels, is hashed and is stored. `canonical` refuses what has no
canonical form; `read_canonical` reads text back by the rule of §4: a number with neither point nor
exponent within ±(2^53−1) is an integer, any other a double.
"""

from __future__ import annotations

import hashlib
import json
import math
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import rfc8785

JSONValue: TypeAlias = "None | bool | int | float | str | list[JSONValue] | dict[str, JSONValue]"
# A place within a value: the place around it and the last step; None is the value itself. Written
# out for errors alone: a key of megabytes must not be copied for each item below it.
ValuePath: TypeAlias = "tuple[ValuePath, str | int] | None"

MAX_INTEGER = 2**53 - 1
MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
_SHOWN_KEY = 80
_SHOWN_BITS = 128  # a longer integer is told by its length: writing it out takes for ever


class NotCanonicalError(ValueError):
    """A value has no canonical form; `path` says where in it (`$.rows[3].x`)."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} at {path}")
        self.path = path


def shown_path(path: ValuePath) -> str:
    """A place as text, `$.rows[3].x`; long keys are cut."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN_KEY]}")
    return "$" + "".join(reversed(steps))


def normalise(value: object) -> JSONValue:
    """The value as plain JSON: tuples become lists, −0.0 becomes 0, integral doubles stay doubles.

    Raises:
        NotCanonicalError: NaN, infinities, integers beyond ±(2^53−1), complex numbers, lone
            surrogates, keys that are not strings, other types, more than 64 levels.
    """
    return _normalise(value, None, 1)


def _normalise(value: object, path: ValuePath, depth: int) -> JSONValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            shown = value if value.bit_length() <= _SHOWN_BITS else f"of {value.bit_length()} bits"
            raise NotCanonicalError(f"integer {shown} is beyond ±(2^53−1)", shown_path(path))
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotCanonicalError(f"{value} is not a JSON number", shown_path(path))
        return float(value)
    if isinstance(value, str):
        return _text(value, path)
    if not isinstance(value, dict | list | tuple):
        raise NotCanonicalError(f"{type(value).__name__} is not a JSON value", shown_path(path))
    if depth > MAX_DEPTH:
        raise NotCanonicalError(f"more than {MAX_DEPTH} levels", shown_path(path))
    if isinstance(value, dict):
        return {_key(k, path): _normalise(v, (path, str(k)), depth + 1) for k, v in value.items()}
    return [_normalise(v, (path, i), depth + 1) for i, v in enumerate(value)]


def _key(value: object, path: ValuePath) -> str:
    if not isinstance(value, str):
        raise NotCanonicalError(f"key {value!r} is not a string", shown_path(path))
    return _text(value, path)


def _text(value: str, path: ValuePath) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotCanonicalError("lone surrogate", shown_path(path)) from None
    return value


def canonical(value: object) -> bytes:
    """The RFC 8785 bytes of a value.

    Raises:
        NotCanonicalError: as `normalise`, or more than 16 MiB of text.
    """
    try:
        parts: list[str] = []
        _write(value, parts, 1)
        text = "".join(parts).encode()
    except (_NotPlainError, TypeError, UnicodeEncodeError):
        text = rfc8785.dumps(normalise(value))
    if len(text) > MAX_BYTES:
        raise NotCanonicalError(f"{len(text)} bytes of JSON; at most {MAX_BYTES} are allowed", "$")
    return text


class _NotPlainError(Exception):
    """A value that the quick writer leaves to the thorough one, which may refuse it with a path."""


def _write(value: Any, parts: list[str], depth: int) -> None:
    """The canonical text of plain values, in one pass: plans and outputs are hashed all the time.

    Strings are escaped alike by RFC 8785 and by `json`; what could differ is left to the package.
    """
    kind = type(value)
    if kind is str:
        parts.append(encode_basestring(value))
    elif kind is dict and depth <= MAX_DEPTH:
        _write_object(value, parts, depth)
    elif kind in (list, tuple) and depth <= MAX_DEPTH:
        between = "["
        for item in value:
            parts.append(between)
            _write(item, parts, depth + 1)
            between = ","
        parts.append("]" if value else "[]")
    elif value is None or kind is bool:
        parts.append("null" if value is None else "true" if value else "false")
    elif kind is int and -MAX_INTEGER <= value <= MAX_INTEGER:
        parts.append(str(value))
    elif kind is float and math.isfinite(value):
        parts.append(rfc8785.dumps(value).decode())
    else:
        raise _NotPlainError


def _write_object(value: dict[str, Any], parts: list[str], depth: int) -> None:
    # Keys are ordered by their UTF-16 code units, which for ASCII is the order of `str`.
    keys = sorted(value) if "".join(value).isascii() else sorted(value, key=_utf16)
    between = "{"
    for key in keys:
        parts += (between, encode_basestring(key), ":")
        _write(value[key], parts, depth + 1)
        between = ","
    parts.append("}" if keys else "{}")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def read_canonical(text: bytes | str) -> JSONValue:
    """The value of canonical text (see the module's docstring for numbers)."""
    value: JSONValue = json.loads(text, parse_int=_integer)
    return value


def _integer(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= MAX_INTEGER else float(text)


def sha256(data: bytes | bytearray | memoryview) -> str:
    """The content id of bytes: `sha256:` and 64 lower-case hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest(value: object) -> str:
    """The content id of a value's canonical text."""
    return sha256(canonical(value))


def default_seed(document_id: str, kernel: str, partition: str | None) -> int:
    """Seed of a kernel that names none (MAML.md §4), so that a rerun is the same run."""
    text = f"{document_id}\n{kernel}\n{partition or ''}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
