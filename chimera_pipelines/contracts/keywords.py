"""Which values the keywords of JSON Schema 2020-12 may have: the metaschema as a table.

Judging a schema by its metaschema through a general validator took half the time of compiling a
document. This table says yes to ordinary schemas at once; where it does not, the metaschema itself
decides and words the message, so that the table can only ever save time (a test holds the two
against each other).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

TYPES: frozenset[str] = frozenset(
    {"array", "boolean", "integer", "null", "number", "object", "string"}
)
_ANCHOR = re.compile(r"[A-Za-z_][-A-Za-z0-9._]*\Z")


def plainly_valid(schema: Any) -> bool:
    """Whether every keyword's value is surely one that the metaschema accepts."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    return all(
        keyword not in _ALLOWED or _ALLOWED[keyword](value) for keyword, value in schema.items()
    )


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _anything(value: Any) -> bool:
    del value
    return True


def _left_to_the_metaschema(value: Any) -> bool:
    del value
    return False


def _names(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value)


def _names_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_names, value.values()))


def _types(value: Any) -> bool:
    if isinstance(value, str):
        return value in TYPES
    return _names(value) and bool(value) and TYPES.issuperset(value)


def _schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(plainly_valid, value))


def _schemas_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(plainly_valid, value.values()))


_KEYWORDS: dict[Callable[[Any], bool], str] = {
    _text: "$schema $ref $dynamicRef $comment title description format pattern"
    " contentEncoding contentMediaType",
    _flag: "deprecated readOnly writeOnly uniqueItems",
    _number: "maximum exclusiveMaximum minimum exclusiveMinimum",
    _count: "maxLength minLength maxItems minItems maxContains minContains"
    " maxProperties minProperties",
    _names: "required",
    _names_by_name: "dependentRequired",
    _types: "type",
    _schemas: "allOf anyOf oneOf prefixItems",
    _schemas_by_name: "properties patternProperties $defs definitions dependentSchemas",
    plainly_valid: "items additionalProperties contains not if then else propertyNames"
    " unevaluatedItems unevaluatedProperties contentSchema",
    _anything: "const default",
    _left_to_the_metaschema: "$id $vocabulary dependencies $recursiveAnchor $recursiveRef",
}
_ALLOWED: dict[str, Callable[[Any], bool]] = {
    **{keyword: holds for holds, keywords in _KEYWORDS.items() for keyword in keywords.split()},
    "$anchor": lambda value: isinstance(value, str) and _ANCHOR.match(value) is not None,
    "$dynamicAnchor": lambda value: isinstance(value, str) and _ANCHOR.match(value) is not None,
    "enum": lambda value: isinstance(value, list),
    "examples": lambda value: isinstance(value, list),
    "multipleOf": lambda value: _number(value) and value > 0,
}
