"""The profile's own JSON Schemas (`schemas/`), applied: front matter and Dependencies.

A validator is built once a process. Findings keep the keyword, so that the caller can give them
codes, and the names that `required` and `additionalProperties` speak of, so that it can place them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any, Literal, TypeAlias

from chimera_pipelines.contracts.ecma_pattern import compile_pattern, translate
from chimera_pipelines.contracts.formats import FORMATS
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.document import Path

Name: TypeAlias = Literal["front-matter", "dependencies"]

_FILES: dict[Name, str] = {
    "front-matter": "maml-frontmatter.kernels-1.schema.json",
    "dependencies": "maml-dependencies.kernels-1.schema.json",
}
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a schema refuses.

    Attributes:
        keyword: of the schema, such as `required` or `pattern`.
        path: of the value it is about.
        names: missing keys of `required`, unknown ones of `additionalProperties`.
        known: the keys that the mapping may have.
    """

    keyword: str
    path: Path
    message: str
    names: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def load_schema(name: Name) -> Mapping[str, Any]:
    """The schema as published."""
    text = files("chimera_pipelines.maml").joinpath("schemas", _FILES[name]).read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def findings(name: Name, value: JSONValue) -> list[Finding]:
    """What the schema refuses in a value."""
    return [_finding(error) for error in _validator(name).iter_errors(value)]


@lru_cache(maxsize=2)
def _validator(name: Name) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.validators import extend

    checker = FormatChecker(formats=())
    for form, holds in FORMATS.items():
        checker.checkers[form] = (partial(_of_texts, holds), ())
    kind: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return kind(_with_python_names(load_schema(name)), format_checker=checker)


def _of_texts(holds: Callable[[str], bool], value: object) -> bool:
    return not isinstance(value, str) or holds(value)


def _with_python_names(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keys of `patternProperties` in Python's dialect, for the library searches them with `re`."""
    named = schema.get("patternProperties", {})
    return {**schema, "patternProperties": {translate(form): s for form, s in named.items()}}


def _pattern(validator: Any, pattern: str, value: object, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    del validator, schema
    if isinstance(value, str) and not compile_pattern(pattern).search(value):
        yield ValidationError(f"'{value}' does not have the form '{pattern}'")


def _finding(error: Any) -> Finding:
    path: Path = tuple(error.absolute_path)
    keyword = str(error.validator)
    schema = error.schema if isinstance(error.schema, dict) else {}
    known = tuple(schema.get("properties", ()))
    names: tuple[str, ...] = ()
    if keyword == "required":
        names = tuple(n for n in error.validator_value if n not in error.instance)
    elif keyword == "additionalProperties" and isinstance(error.instance, dict):
        extra = schema.get("patternProperties", ())
        names = tuple(
            n
            for n in error.instance
            if n not in known and not any(re.search(form, n) for form in extra)
        )
    message = str(error.message)
    return Finding(keyword, path, _shortened(message[:1].lower() + message[1:]), names, known)


def _shortened(message: str) -> str:
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"
