"""Keywords of JSON Schema for the `jsonschema` library, made fit for schemas of strangers.

The gateway judges values by an author's schema in its own process, so no judgement may take
exponential time. Two things would: patterns on a backtracking engine, which the library uses for
four keywords (they search on the linear-time engine here), and references that fan out, level by
level of the schema or of the value. So every application of a keyword is counted against a budget
that grows with the value; a schema that spends it is given up with a clear error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from chimera_pipelines.contracts.ecma_pattern import searcher
from chimera_pipelines.contracts.formats import FORMATS
from chimera_pipelines.contracts.subschemas import Schema
from chimera_pipelines.digest import canonical

BASE_APPLICATIONS = 200_000
APPLICATIONS_PER_NODE = 200

_left: ContextVar[list[int] | None] = ContextVar("_left", default=None)


class TooMuchWorkError(Exception):
    """A schema applied more keywords than its value may cost, or nested them too deeply."""


@contextmanager
def budget(value: object) -> Iterator[None]:
    """Count the keywords applied inside; the value's size says how many may be.

    Raises:
        TooMuchWorkError: the budget is spent, or the interpreter's stack is.
    """
    allowed = BASE_APPLICATIONS + APPLICATIONS_PER_NODE * _nodes(value)
    token = _left.set([allowed])
    try:
        yield
    except RecursionError:
        raise TooMuchWorkError("schema and value nest too deeply to be compared") from None
    finally:
        _left.reset(token)


def _nodes(value: object) -> int:
    count, open_values = 0, [value]
    while open_values:
        item = open_values.pop()
        count += 1
        if isinstance(item, Mapping):
            open_values.extend(item.values())
        elif isinstance(item, list):
            open_values.extend(item)
    return count


def _spend() -> None:
    left = _left.get()
    if left is None:
        return
    left[0] -= 1
    if left[0] < 0:
        raise TooMuchWorkError("the schema applies more subschemas to this value than are allowed")


def _pattern(
    validator: Any, pattern: str, instance: object, schema: Schema
) -> Iterator[ValidationError]:
    del validator, schema
    if isinstance(instance, str) and not searcher(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match '{pattern}'")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Schema], instance: object, schema: Schema
) -> Iterator[ValidationError]:
    del schema
    if not isinstance(instance, dict):
        return
    for pattern, below in patterns.items():
        found = searcher(pattern)
        for name, value in instance.items():
            if found(name):
                yield from validator.descend(value, below, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, below: Schema, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    found = [searcher(pattern) for pattern in schema.get("patternProperties", {})]
    named = schema.get("properties", {})
    extras = [n for n in instance if n not in named and not any(holds(n) for holds in found)]
    if below is False and extras:
        yield ValidationError(f"additional properties are not allowed: {_listed(extras)}")
        return
    for name in extras:
        yield from validator.descend(instance[name], below, path=name)


def _unevaluated_properties(
    validator: Any, below: Schema, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    evaluated = _evaluated(validator, instance, schema)
    refused = [
        name
        for name, value in instance.items()
        if name not in evaluated and not _holds(validator, value, below)
    ]
    if refused:
        yield ValidationError(f"unevaluated properties are not allowed: {_listed(refused)}")


def _evaluated(validator: Any, instance: dict[str, Any], schema: Any) -> set[str]:
    """Names that the schema, or one that holds in place of it, has judged (§11.3 of the draft)."""
    if isinstance(schema, bool):
        return set()
    _spend()
    names: set[str] = instance.keys() & schema.get("properties", {}).keys()
    patterns = [searcher(pattern) for pattern in schema.get("patternProperties", {})]
    names |= {name for name in instance if any(found(name) for found in patterns)}
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if keyword in schema:
            names |= {n for n, v in instance.items() if _holds(validator, v, schema[keyword])}
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            target = validator._resolver.lookup(schema[keyword])  # noqa: SLF001 - as the library
            inside = validator.evolve(schema=target.contents, _resolver=target.resolver)
            names |= _evaluated(inside, instance, target.contents)
    for below in _holding(validator, instance, schema):
        names |= _evaluated(validator, instance, below)
    return names


def _holding(validator: Any, instance: dict[str, Any], schema: Mapping[str, Any]) -> Iterator[Any]:
    """The subschemas of combinations that speak of this instance."""
    for name, below in schema.get("dependentSchemas", {}).items():
        if name in instance:
            yield below
    for keyword in ("allOf", "oneOf", "anyOf"):
        yield from (s for s in schema.get(keyword, []) if _holds(validator, instance, s))
    if "if" in schema:
        holds = _holds(validator, instance, schema["if"])
        if holds:
            yield schema["if"]
        yield schema.get("then" if holds else "else", True)


def _holds(validator: Any, value: object, schema: Any) -> bool:
    return next(validator.descend(value, schema), None) is None


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _unique_items(
    validator: Any,
    wanted: bool,  # noqa: FBT001 - a keyword's form
    instance: object,
    schema: Schema,
) -> Iterator[ValidationError]:
    """By canonical text: the library compares objects pair by pair, hours for a million of them."""
    del validator, schema
    if not wanted or not isinstance(instance, list):
        return
    if len({canonical(item) for item in instance}) != len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _spend()
        return keyword(validator, value, instance, schema)

    return apply


KEYWORDS: Mapping[str, Callable[..., Any]] = {
    name: _counted(keyword)
    for name, keyword in {
        **Draft202012Validator.VALIDATORS,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "unevaluatedProperties": _unevaluated_properties,
        "uniqueItems": _unique_items,
    }.items()
}


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, holds in FORMATS.items():
        checker.checkers[name] = (partial(_of_strings, holds), ())
    return checker


def _of_strings(holds: Callable[[str], bool], value: object) -> bool:
    return not isinstance(value, str) or holds(value)


FORMAT_CHECKER = _format_checker()
