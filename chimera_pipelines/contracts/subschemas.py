"""Where schemas stand inside a JSON Schema 2020-12, and what a local `$ref` there points at.

Nothing is ever fetched: the registry knows the schema itself and no retrieval function. It is built
at the first reference that is followed: most schemas have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

from referencing import Registry
from referencing._core import Resolver
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = "dict[str, Any] | bool"

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalProperties", "contains", "not", "if", "then", "else"),
    *("propertyNames", "unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})


@dataclass(frozen=True, slots=True)
class Place:
    """A schema inside a schema, with its path from the root and the scope of its references."""

    schema: Schema
    path: Path
    scope: Callable[[], Resolver[Schema]]

    def target(self, reference: str) -> Place | None:
        """What `reference` points at, None where there is nothing; the path stays this one's."""
        try:
            found = self.scope().lookup(reference)
        except Unresolvable:
            return None
        if not isinstance(found.contents, dict | bool):
            return None
        return Place(found.contents, self.path, lambda: found.resolver)

    def child(self, schema: Schema, *steps: str | int) -> Place:
        """The schema `steps` below this one."""
        return Place(schema, self.path + steps, partial(_below, self.scope, schema))


def _below(scope: Callable[[], Resolver[Schema]], schema: Schema) -> Resolver[Schema]:
    return scope().in_subresource(DRAFT202012.create_resource(schema))


def root(schema: Schema) -> Place:
    """The place of a whole schema."""

    @cache
    def scope() -> Resolver[Schema]:
        resource = DRAFT202012.create_resource(schema)
        registry: Registry[Schema] = Registry().with_resource("", resource).crawl()
        return registry.resolver("")

    return Place(schema, (), scope)


def children(place: Place) -> Iterator[tuple[str, Place]]:
    """Every schema directly below a place, with the keyword that holds it."""
    if not isinstance(place.schema, dict):
        return
    for keyword, value in place.schema.items():
        if keyword in _BY_NAME and isinstance(value, dict):
            for name, schema in value.items():
                yield keyword, place.child(schema, keyword, name)
        elif keyword in _LISTS and isinstance(value, list):
            for index, schema in enumerate(value):
                yield keyword, place.child(schema, keyword, index)
        elif keyword in _SINGLE and isinstance(value, dict | bool):
            yield keyword, place.child(value, keyword)


def walk(place: Place) -> Iterator[Place]:
    """The place and every schema below it, in the order of the text."""
    yield place
    for _, child in children(place):
        yield from walk(child)


def applied_in_place(place: Place) -> Iterator[Place]:
    """Schemas that judge the same value as this one: through references and combinations."""
    if not isinstance(place.schema, dict):
        return
    for keyword in ("$ref", "$dynamicRef"):
        reference = place.schema.get(keyword)
        found = place.target(reference) if isinstance(reference, str) else None
        if found is not None:
            yield Place(found.schema, (*place.path, keyword), found.scope)
    for keyword, child in children(place):
        if keyword in _IN_PLACE:
            yield child
