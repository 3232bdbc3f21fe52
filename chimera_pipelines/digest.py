"""Canonical JSON (RFC 8785) of I-JSON values (RFC 7493) and SHA-256 content ids (MAML.md §4, §8).

A value is what passes between kernels, is hashed and is stored. `canonical` refuses what has no
canonical form; `read_canonical` reads text back by the rule of §4: a number with neither point nor
exponent within ±(2^53−1) is an integer, any other a double.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TypeAlias

import rfc8785

JSONValue: TypeAlias = "None | bool | int | float | str | list[JSONValue] | dict[str, JSONValue]"

MAX_INTEGER = 2**53 - 1
MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64


class NotCanonicalError(ValueError):
    """A value has no canonical form; `path` says where in it (`$.rows[3].x`)."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{message} at {path}")
        self.path = path


def normalise(value: object) -> JSONValue:
    """The value as plain JSON: tuples become lists, −0.0 becomes 0, integral doubles stay doubles.

    Raises:
        NotCanonicalError: NaN, infinities, integers beyond ±(2^53−1), complex numbers, lone
            surrogates, keys that are not strings, other types, more than 64 levels.
    """
    return _normalise(value, "$", 1)


def _normalise(value: object, path: str, depth: int) -> JSONValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonicalError(f"integer {value} is beyond ±(2^53−1)", path)
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotCanonicalError(f"{value} is not a JSON number", path)
        return float(value)
    if isinstance(value, str):
        return _text(value, path)
    if not isinstance(value, dict | list | tuple):
        raise NotCanonicalError(f"{type(value).__name__} is not a JSON value", path)
    if depth > MAX_DEPTH:
        raise NotCanonicalError(f"more than {MAX_DEPTH} levels", path)
    if isinstance(value, dict):
        return {_key(k, path): _normalise(v, f"{path}.{k}", depth + 1) for k, v in value.items()}
    return [_normalise(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]


def _key(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise NotCanonicalError(f"key {value!r} is not a string", path)
    return _text(value, path)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotCanonicalError("lone surrogate", path) from None
    return value


def canonical(value: object) -> bytes:
    """The RFC 8785 bytes of a value.

    Raises:
        NotCanonicalError: as `normalise`, or more than 16 MiB of text.
    """
    text = rfc8785.dumps(normalise(value))
    if len(text) > MAX_BYTES:
        raise NotCanonicalError(f"{len(text)} bytes of JSON; at most {MAX_BYTES} are allowed", "$")
    return text


def read_canonical(text: bytes | str) -> JSONValue:
    """The value of canonical text (see the module's docstring for numbers)."""
    value: JSONValue = json.loads(text, parse_int=_integer)
    return value


def _integer(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= MAX_INTEGER else float(text)


def sha256(data: bytes) -> str:
    """The content id of bytes: `sha256:` and 64 lower-case hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest(value: object) -> str:
    """The content id of a value's canonical text."""
    return sha256(canonical(value))


def default_seed(document_id: str, kernel: str, partition: str | None) -> int:
    """Seed of a kernel that names none (MAML.md §4), so that a rerun is the same run."""
    text = f"{document_id}\n{kernel}\n{partition or ''}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
