"""JSON Schema 2020-12 as contract between kernels (MAML.md §5): check, validate, defaults.

Checked schemas and validators are cached by the schema's canonical text. A problem carries the
path of what is wrong: in `check_schema` and `check_defaults` the path, inside the schema, of the
offending keyword's value; in `validate` the path inside the value.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from chimera_pipelines.contracts.bounded import FORMAT_CHECKER, KEYWORDS, TooMuchWorkError, budget
from chimera_pipelines.contracts.ecma_pattern import PatternSyntaxError, searcher
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
MAX_FAN_OUT = 10_000
MAX_CHAIN = 64
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
    pattern that is no ECMA 262 expression or not searched in linear time, and references that come
    back to where they began or fan out beyond bounds.
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
            problems = list(_endless(whole)) or list(_exploding(whole))
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
        searcher(text)
    except PatternSyntaxError as error:
        message = _lower(f"pattern '{text}' is no pattern of this profile: {error}")
        yield SchemaProblem(path, message, error.hint)


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
            if len(above) > MAX_CHAIN:
                yield _too_long(following)
                continue
            yield from visit(following, above | {key})
        finished.add(id(place.schema))

    for place in walk(whole):
        if id(place.schema) not in finished:
            yield from visit(place, frozenset({id(place.schema)}))


def _exploding(whole: Place) -> Iterator[SchemaProblem]:
    """The first schema that judges one value by too many others, none of which is endless."""
    known: dict[int, tuple[int, int]] = {}

    def measure(place: Place) -> tuple[int, int]:
        """Schemas applied to one value, and the longest chain of them."""
        key = id(place.schema)
        if key not in known:
            below = [measure(following) for following in applied_in_place(place)]
            longest = max((length for _, length in below), default=0)
            known[key] = 1 + sum(count for count, _ in below), 1 + longest
        return known[key]

    for place in walk(whole):
        count, length = measure(place)
        if count > MAX_FAN_OUT:
            message = f"references fan out: a value is judged by more than {MAX_FAN_OUT} schemas"
            yield SchemaProblem(place.path, message, "refer to a schema once, not from each branch")
            return
        if length > MAX_CHAIN:
            yield _too_long(place)
            return


def _too_long(place: Place) -> SchemaProblem:
    message = f"more than {MAX_CHAIN} schemas lead from one to the next for the same value"
    return SchemaProblem(place.path, message, "refer to the last of them directly")


def validate(schema: Schema, value: object) -> list[SchemaProblem]:
    """What in the value breaks the schema (MAML505): at most 20 problems, shallow ones first.

    The schema must have passed `check_schema`. Integers and doubles are told apart as JSON Schema
    does: 1.0 is an integer. Work is bounded: a value that would take more is refused as a whole.
    """
    try:
        with budget(value):
            errors = islice(_validator(canonical(schema)).iter_errors(value), MAX_PROBLEMS)
            found = [SchemaProblem(tuple(e.absolute_path), _lower(e.message)) for e in errors]
    except TooMuchWorkError as error:
        return [SchemaProblem((), str(error), "simplify the schema: its references fan out")]
    return sorted(found, key=lambda problem: len(problem.path))


@lru_cache(maxsize=512)
def _validator(text: bytes) -> Any:
    return _Validator(json.loads(text), registry=Registry(), format_checker=FORMAT_CHECKER)


# The stubs leave `extend` untyped.
_Validator: Any = extend(Draft202012Validator, KEYWORDS)  # type: ignore[no-untyped-call]


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
        message = _refusal(whole, declared)
        if message is not None:
            path: Path = ("properties", name, "default")
            problems.append(SchemaProblem(path, f"default of '{name}': {_lower(message)}"))
    return problems


def _refusal(whole: Any, declared: Mapping[str, Any]) -> str | None:
    try:
        with budget(declared["default"]):
            error = next(whole.descend(declared["default"], declared), None)
    except TooMuchWorkError as too_much:
        return str(too_much)
    return None if error is None else str(error.message)


def _top_properties(schema: Schema) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _lower(message: str) -> str:
    text = message[:1].lower() + message[1:]
    if len(text) <= _MAX_MESSAGE:
        return text
    half = _MAX_MESSAGE // 2
    return f"{text[:half]} … {text[-half:]}"
