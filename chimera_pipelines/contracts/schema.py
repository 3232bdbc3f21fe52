"""JSON Schema 2020-12 as contract between kernels (MAML.md §5): check, validate, defaults.

Checked schemas and validators are cached by the schema's canonical text. A problem carries the
path of what is wrong: in `check_schema` and `check_defaults` the path, inside the schema, of the
offending keyword's value; in `validate` the path inside the value.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from chimera_pipelines.contracts.ecma_pattern import (
    PatternSyntaxError,
    compile_pattern,
    searcher,
    translate,
)
from chimera_pipelines.contracts.formats import FORMATS
from chimera_pipelines.contracts.keywords import TYPES, plainly_valid
from chimera_pipelines.contracts.reach import may_meet as may_meet  # noqa: PLC0414 - public here
from chimera_pipelines.contracts.reach import (
    property_declared as property_declared,  # noqa: PLC0414 - public here
)
from chimera_pipelines.contracts.subschemas import (
    DIALECT,
    Path,
    Place,
    Schema,
    applied_in_place,
    root,
    walk,
)
from chimera_pipelines.digest import JSONValue, NotCanonicalError, canonical

MAX_PROBLEMS = 20
_MAX_MESSAGE = 240
_PYTHON_NAMES = {
    "float": "number",
    "complex": "number",
    "int": "integer",
    "str": "string",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "bool": "boolean",
    "None": "null",
    "NoneType": "null",
}


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One thing that is wrong; `path` as the module says, `hint` where a repair is known."""

    path: Path
    message: str
    hint: str | None = None

    @property
    def place(self) -> str:
        """The path as text: `$.rows[3].x`."""
        steps = (f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path)
        return "$" + "".join(steps)

    def __str__(self) -> str:
        return f"{self.message} at {self.place}"


def check_schema(schema: object) -> list[SchemaProblem]:
    """Why this is no JSON Schema of kernels/1 (MAML502); empty if it is one.

    Found: keyword values that the metaschema refuses (a Python type name among them), another
    `$schema`, a `$ref` that leaves the document or points at nothing, an unknown `format`, a
    pattern that is no ECMA 262 expression, and references that come back to where they began.
    """
    try:
        text = canonical(schema)
    except NotCanonicalError as error:
        return [SchemaProblem((), str(error))]
    return list(_checked(text))


@lru_cache(maxsize=512)
def _checked(text: bytes) -> tuple[SchemaProblem, ...]:
    schema = json.loads(text)
    problems = [] if plainly_valid(schema) else _refused_keywords(schema)
    if not problems:
        whole = root(schema)
        problems = [problem for place in walk(whole) for problem in _profile_problems(place)]
        if not problems:
            problems = list(_endless(whole))
    return tuple(problems)


def _refused_keywords(schema: object) -> list[SchemaProblem]:
    errors = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
    # Each vocabulary of the metaschema says the same of one value: keep the first.
    found = {problem.path: problem for problem in map(_keyword_problem, reversed(list(errors)))}
    return list(found.values())


def _keyword_problem(error: ValidationError) -> SchemaProblem:
    path = tuple(error.absolute_path)
    if error.validator == "anyOf" and path and path[-1] == "type":
        return _type_problem(path, error.instance)
    keyword = f"'{path[-1]}': " if path else ""
    return SchemaProblem(path, _lower(keyword + error.message))


def _type_problem(path: Path, value: object) -> SchemaProblem:
    if isinstance(value, list):
        for index, name in enumerate(value):
            if not isinstance(name, str) or name not in TYPES:
                return _type_problem((*path, index), name)
        return SchemaProblem(path, "'type' is empty or names a type twice")
    instead = _PYTHON_NAMES.get(value) if isinstance(value, str) else None
    return SchemaProblem(
        path,
        f"'{value}' is no JSON Schema type",
        f"write '{instead}'" if instead else f"one of {', '.join(sorted(TYPES))}",
    )


def _profile_problems(place: Place) -> Iterator[SchemaProblem]:
    schema = place.schema
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        path = (*place.path, keyword)
        if keyword == "$schema" and value.removesuffix("#") != DIALECT:
            yield SchemaProblem(path, f"'$schema' is '{value}'", f"remove it or write '{DIALECT}'")
        elif keyword in {"$ref", "$dynamicRef"}:
            yield from _reference_problems(place, keyword, value)
        elif keyword == "format" and value not in FORMATS:
            yield SchemaProblem(path, f"unknown format '{value}'", f"one of {', '.join(FORMATS)}")
        elif keyword == "pattern":
            yield from _pattern_problems(path, value)
        elif keyword == "patternProperties":
            for name in value:
                yield from _pattern_problems((*path, name), name)


def _reference_problems(place: Place, keyword: str, value: str) -> Iterator[SchemaProblem]:
    path = (*place.path, keyword)
    if not value.startswith("#"):
        yield SchemaProblem(
            path, f"'{keyword}' leaves the document: '{value}'", "copy it under '$defs'"
        )
    elif place.target(value) is None:
        yield SchemaProblem(path, f"'{keyword}' points at no schema: '{value}'")


def _pattern_problems(path: Path, text: str) -> Iterator[SchemaProblem]:
    try:
        compile_pattern(text)
    except PatternSyntaxError as error:
        yield SchemaProblem(path, _lower(f"pattern '{text}' is no ECMA 262 expression: {error}"))


def _endless(whole: Place) -> Iterator[SchemaProblem]:
    """References that lead back to a schema still being applied to the same value."""
    finished: set[int] = set()

    def visit(place: Place, above: frozenset[int]) -> Iterator[SchemaProblem]:
        for following in applied_in_place(place):
            key = id(following.schema)
            if isinstance(following.schema, bool) or key in finished:
                continue
            if key in above:
                yield SchemaProblem(following.path, "a reference comes back to its own schema")
                continue
            yield from visit(following, above | {key})
        finished.add(id(place.schema))

    for place in walk(whole):
        if id(place.schema) not in finished:
            yield from visit(place, frozenset({id(place.schema)}))


def validate(schema: Schema, value: object) -> list[SchemaProblem]:
    """What in the value breaks the schema (MAML505): at most 20 problems, shallow ones first.

    The schema must have passed `check_schema`. Integers and doubles are told apart as JSON Schema
    does: 1.0 is an integer.
    """
    errors = islice(_validator(canonical(schema)).iter_errors(value), MAX_PROBLEMS)
    found = [SchemaProblem(tuple(e.absolute_path), _lower(e.message)) for e in errors]
    return sorted(found, key=lambda problem: len(problem.path))


@lru_cache(maxsize=512)
def _validator(text: bytes) -> Any:
    schema = _with_python_names(root(json.loads(text)))
    return _Validator(schema, registry=Registry(), format_checker=_FORMAT_CHECKER)


def _with_python_names(whole: Place) -> Schema:
    """The schema with the keys of `patternProperties` in Python's dialect.

    The library searches property names with `re` in three places (`patternProperties`,
    `additionalProperties`, `unevaluatedProperties`); rewriting the keys serves them all.
    """
    for place in list(walk(whole)):
        if isinstance(place.schema, dict) and "patternProperties" in place.schema:
            named = place.schema["patternProperties"]
            place.schema["patternProperties"] = {translate(k): v for k, v in named.items()}
    return whole.schema


def _pattern(
    validator: Any, pattern: str, instance: object, schema: Schema
) -> Iterator[ValidationError]:
    del validator, schema
    if isinstance(instance, str) and not searcher(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match '{pattern}'")


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


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, holds in FORMATS.items():
        checker.checkers[name] = (partial(_of_strings, holds), ())
    return checker


def _of_strings(holds: Callable[[str], bool], value: object) -> bool:
    return not isinstance(value, str) or holds(value)


_FORMAT_CHECKER = _format_checker()
# The stubs leave `extend` untyped.
_Validator: Any = extend(Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items})  # type: ignore[no-untyped-call]


def apply_defaults(schema: Schema, inputs: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """The run inputs with the defaults of top-level properties whose name is absent (§5).

    The inputs themselves are left as they are; defaults below the top level are not applied.
    """
    given = dict(inputs)
    for name, declared in _top_properties(schema).items():
        if isinstance(declared, dict) and "default" in declared and name not in given:
            given[name] = copy.deepcopy(declared["default"])
    return given


def check_defaults(schema: Schema) -> list[SchemaProblem]:
    """Defaults of top-level properties that their own schema refuses (MAML504).

    The path is that of the `default`'s value; the schema must have passed `check_schema`.
    """
    problems: list[SchemaProblem] = []
    whole = _validator(canonical(schema))
    for name, declared in _top_properties(whole.schema).items():
        if not isinstance(declared, dict) or "default" not in declared:
            continue
        # Descending from the whole keeps local references of the property resolvable.
        error = next(whole.descend(declared["default"], declared), None)
        if error is not None:
            path: Path = ("properties", name, "default")
            problems.append(SchemaProblem(path, f"default of '{name}': {_lower(error.message)}"))
    return problems


def _top_properties(schema: Schema) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _lower(message: str) -> str:
    text = message[:1].lower() + message[1:]
    if len(text) <= _MAX_MESSAGE:
        return text
    half = _MAX_MESSAGE // 2
    return f"{text[:half]} … {text[-half:]}"
