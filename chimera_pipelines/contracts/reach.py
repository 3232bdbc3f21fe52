"""What a schema says at compile time about a path into a value: declared or not, and of what type.

Both answers err on the author's side: a reference is refused (MAML407) only where the schema
excludes or omits the name, two types (MAML432) only where no value at all can have both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from chimera_pipelines.contracts.ecma_pattern import searcher
from chimera_pipelines.contracts.subschemas import Path, Place, Schema, applied_in_place, root
from chimera_pipelines.digest import NotCanonicalError, canonical

# JSON's types, with numbers split so that `integer` lies within `number`.
_ATOMS = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
_MAX_DEPTH = 32


class _Says(IntEnum):
    """What a schema says of a name; later members win where several schemas hold together."""

    SILENT = 0
    ABSENT = 1
    OPEN = 2
    DECLARED = 3


def property_declared(schema: Schema, path: Sequence[str | int]) -> bool | None:
    """Whether a reference's path leads to something that the schema declares (MAML407).

    Args:
        schema: a checked schema of a kernel's whole output, of the run inputs or of a part.
        path: names and indices from the value's root; empty is declared.

    Returns:
        False where the path surely names nothing declared, None where the schema leaves it open
        (`additionalProperties`, untyped parts below the first level).
    """
    places = [root(schema)]
    for depth, step in enumerate(path):
        said, places = _step(places, step)
        if said is _Says.ABSENT or (said is _Says.SILENT and depth == 0):
            return False
        if said is not _Says.DECLARED:
            return None
    return True


def may_meet(a: Schema, b: Schema, a_path: Sequence[str | int] = (), b_path: Path = ()) -> bool:
    """Whether some value can be valid for both schemas, as far as types, enum and const tell.

    Args:
        a: the producer's checked schema.
        b: the consumer's checked schema.
        a_path: path of the value inside what `a` describes.
        b_path: likewise for `b`.

    Returns:
        False only where the two are certainly disjoint (MAML432).
    """
    here, there = _kinds_at(a, a_path), _kinds_at(b, b_path)
    return _joined((here, there)).possible


@dataclass(frozen=True, slots=True)
class _Kinds:
    """A superset of the values that are valid: by type, and by a finite list where there is one."""

    atoms: frozenset[str]
    values: dict[bytes, str] | None = None

    @property
    def possible(self) -> bool:
        return bool(self.atoms) if self.values is None else bool(self.values)


def _joined(kinds: Iterable[_Kinds]) -> _Kinds:
    """Values that all of the kinds hold."""
    atoms, values = _ATOMS, None
    for kind in kinds:
        atoms &= kind.atoms
        if kind.values is not None:
            common = kind.values if values is None else values
            values = {k: v for k, v in common.items() if k in kind.values}
    if values is not None:
        values = {k: v for k, v in values.items() if v in atoms}
        atoms = frozenset(values.values())
    return _Kinds(atoms, values)


def _either(kinds: Sequence[_Kinds]) -> _Kinds:
    """Values that at least one of the kinds holds."""
    atoms: frozenset[str] = frozenset().union(*(kind.atoms for kind in kinds))
    if any(kind.values is None for kind in kinds):
        return _Kinds(atoms)
    return _Kinds(atoms, {k: v for kind in kinds for k, v in (kind.values or {}).items()})


def _kinds_at(schema: Schema, path: Sequence[str | int]) -> _Kinds:
    places = [root(schema)]
    for step in path:
        said, places = _step(places, step)
        if said is not _Says.DECLARED:
            return _Kinds(_ATOMS)
    return _joined(_kinds(place, 0) for place in places)


def _kinds(place: Place, depth: int) -> _Kinds:
    schema = place.schema
    if isinstance(schema, bool):
        return _Kinds(_ATOMS if schema else frozenset())
    if depth > _MAX_DEPTH:
        return _Kinds(_ATOMS)
    parts = [_own_kinds(schema)]
    alternatives: dict[str, list[_Kinds]] = {"anyOf": [], "oneOf": []}
    for below in applied_in_place(place):
        keyword = next((p for p in below.path[len(place.path) :] if isinstance(p, str)), "")
        if keyword in {"$ref", "allOf"}:
            parts.append(_kinds(below, depth + 1))
        elif keyword in alternatives:
            alternatives[keyword].append(_kinds(below, depth + 1))
    parts.extend(_either(kinds) for kinds in alternatives.values() if kinds)
    return _joined(parts)


def _own_kinds(schema: dict[str, Any]) -> _Kinds:
    names = schema.get("type")
    atoms = _ATOMS
    if names is not None:
        listed = [names] if isinstance(names, str) else names
        atoms = frozenset(a for n in listed for a in (_NUMBER if n == "number" else (n,)))
    values = None
    if "const" in schema:
        values = [schema["const"]]
    elif "enum" in schema:
        values = schema["enum"]
    if values is None:
        return _Kinds(atoms)
    try:
        return _joined((_Kinds(atoms), _Kinds(_ATOMS, {canonical(v): _atom(v) for v in values})))
    except NotCanonicalError:
        return _Kinds(atoms)


_NUMBER = ("integer", "fraction")


def _atom(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if value == int(value) else "fraction"
    names = {type(None): "null", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _step(places: Sequence[Place], step: str | int) -> tuple[_Says, list[Place]]:
    """What the schemas that hold together say of one step, and the schemas one step further."""
    said, further = _Says.SILENT, []
    for place in places:
        one, below = _says(place, step, 0)
        said = max(said, one)
        further.extend(below)
    # A schema reached in two ways says nothing twice; kept twice, they would double at each step.
    return said, list({id(place.schema): place for place in further}.values())


def _says(place: Place, step: str | int, depth: int) -> tuple[_Says, list[Place]]:
    schema = place.schema
    if isinstance(schema, bool) or depth > _MAX_DEPTH:
        return _Says.SILENT, []
    said, further = _own(place, schema, step)
    branches: dict[str, list[tuple[_Says, list[Place]]]] = {"anyOf": [], "oneOf": []}
    for below in applied_in_place(place):
        keyword = next((p for p in below.path[len(place.path) :] if isinstance(p, str)), "")
        if keyword in branches:
            branches[keyword].append(_says(below, step, depth + 1))
        elif keyword in {"$ref", "allOf", "then", "else", "dependentSchemas"}:
            one, more = _says(below, step, depth + 1)
            said = max(said, one)
            further.extend(more)
    for answers in branches.values():
        if answers:
            one, more = _of_branches(answers)
            said = max(said, one)
            further.extend(more)
    return said, further


def _of_branches(answers: Sequence[tuple[_Says, list[Place]]]) -> tuple[_Says, list[Place]]:
    """A name is declared if a branch declares it; a type is certain only with one such branch."""
    said = [one for one, _ in answers]
    if _Says.DECLARED in said:
        declaring = [below for one, below in answers if one is _Says.DECLARED]
        certain = len(declaring) == 1 and all(one is not _Says.OPEN for one in said)
        return _Says.DECLARED, declaring[0] if certain else []
    if all(one is _Says.ABSENT for one in said):
        return _Says.ABSENT, []
    return (_Says.OPEN if _Says.OPEN in said else _Says.SILENT), []


def _own(place: Place, schema: dict[str, Any], step: str | int) -> tuple[_Says, list[Place]]:
    """What the schema's own keywords say, combinations and references apart."""
    names = schema.get("type")
    listed = [names] if isinstance(names, str) else names
    if listed is not None and ("array" if isinstance(step, int) else "object") not in listed:
        return _Says.ABSENT, []
    if isinstance(step, int):
        return _own_item(place, schema, step)
    return _own_property(place, schema, step)


def _own_property(place: Place, schema: dict[str, Any], step: str) -> tuple[_Says, list[Place]]:
    properties = schema.get("properties", {})
    if step in properties:
        declared = properties[step] is not False
        below = [place.child(properties[step], "properties", step)] if declared else []
        return (_Says.DECLARED if declared else _Says.ABSENT), below
    for pattern, below_schema in schema.get("patternProperties", {}).items():
        if searcher(pattern)(step):
            return _Says.DECLARED, [place.child(below_schema, "patternProperties", pattern)]
    further = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
    if further is None:
        return (_Says.ABSENT if properties else _Says.SILENT), []
    return (_Says.ABSENT if further is False else _Says.OPEN), []


def _own_item(place: Place, schema: dict[str, Any], index: int) -> tuple[_Says, list[Place]]:
    if index >= schema.get("maxItems", index + 1):
        return _Says.ABSENT, []
    first = schema.get("prefixItems", [])
    if index < len(first):
        return _Says.DECLARED, [place.child(first[index], "prefixItems", index)]
    rest = schema.get("items")
    if rest is False:
        return _Says.ABSENT, []
    if rest is not None:
        return _Says.DECLARED, [place.child(rest, "items")]
    return _Says.SILENT, []
