"""The JSON Schema of `## Dependencies`: what it refuses, as faults with a place (MAML403).

The schema's `$ref`s are written out once, so that a document of 10,000 kernels is not slowed down
by looking them up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from chimera_pipelines.contracts.ecma_pattern import translate
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.document import Path
from chimera_pipelines.maml.nearest import did_you_mean

_FILE: Final = "maml-dependencies.kernels-1.schema.json"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing the schema refuses.

    Attributes:
        path: of the key (`at_key`), of the value, or of the mapping that lacks a field.
        at_key: whether the key itself is wrong.
    """

    path: Path
    message: str
    hint: str | None = None
    at_key: bool = False


def faults(value: JSONValue) -> list[Fault]:
    """What is wrong with a Dependencies mapping, each thing once."""
    found: dict[tuple[Path, str], Fault] = {}
    for error in _validator().iter_errors(value):
        for fault in _faults(error):
            found.setdefault((fault.path, fault.message), fault)
    return list(found.values())


@lru_cache(maxsize=1)
def _validator() -> Draft202012Validator:
    text = (files("chimera_pipelines.maml") / "schemas" / _FILE).read_text(encoding="utf-8")
    schema = json.loads(text)
    written_out = _written_out(schema, schema["$defs"])
    written_out.pop("$defs")
    return Draft202012Validator(written_out)


def _written_out(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Without `$ref`, and with patterns in Python's dialect. The schema is not recursive."""
    if isinstance(node, list):
        return [_written_out(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _written_out(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {
        key: translate(item) if key == "pattern" else _written_out(item, definitions)
        for key, item in node.items()
    }


def _faults(error: ValidationError) -> Iterator[Fault]:
    path: Path = tuple(error.absolute_path)
    if len(error.absolute_schema_path) > 1 and error.absolute_schema_path[-2] == "propertyNames":
        name = str(error.instance)
        yield Fault((*path, name), f"'{name}' is no name", _NAME_HINT, at_key=True)
    elif error.validator == "additionalProperties":
        yield from _unknown(error, path)
    elif error.validator == "required":
        yield from _missing(error, path)
    elif error.validator == "oneOf":
        yield from _one_of(error, path)
    elif error.validator == "uniqueItems":
        yield from _repeated(error, path)
    else:
        yield Fault(path, _message(error))


_NAME_HINT = "lower-case letters and digits, single '_' between them, at most 48"


def _any(value: Any) -> Any:
    """The stubs think that a raised error may lack what it is about."""
    return value


def _unknown(error: ValidationError, path: Path) -> Iterator[Fault]:
    known = list(_any(error.schema)["properties"])
    for key in _any(error.instance):
        if key not in known:
            hint = did_you_mean(key, known, f"known: {', '.join(known)}")
            yield Fault((*path, key), f"unknown option '{key}'", hint, at_key=True)


def _missing(error: ValidationError, path: Path) -> Iterator[Fault]:
    for name in _any(error.validator_value):
        if name not in _any(error.instance):
            yield Fault(path, f"'{name}' is missing")


def _one_of(error: ValidationError, path: Path) -> Iterator[Fault]:
    """The faults of the branch that was meant: the one whose required key is there."""
    instance = _any(error.instance)
    if isinstance(instance, dict):
        for number, branch in enumerate(_any(error.validator_value)):
            if any(key in instance for key in branch.get("required", ())):
                for inner in error.context or ():
                    if inner.schema_path[0] == number:
                        yield from _faults(inner)
                return
        keys = [key for branch in _any(error.validator_value) for key in branch.get("required", ())]
        yield Fault(path, "none of " + ", ".join(f"'{key}'" for key in keys))
        return
    yield Fault(path, f"{_shown(instance)} is not allowed here")


def _repeated(error: ValidationError, path: Path) -> Iterator[Fault]:
    seen: list[JSONValue] = []
    for number, item in enumerate(_any(error.instance)):
        if item in seen:
            yield Fault((*path, number), f"{_shown(item)} stands twice")
        seen.append(item)


def _message(error: ValidationError) -> str:
    value = _shown(error.instance)
    if error.validator == "enum":
        allowed = ", ".join(f"'{item}'" for item in _any(error.validator_value))
        return f"{value} is none of {allowed}"
    if error.validator == "type":
        wanted = _any(error.validator_value)
        names = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{value} is no {names}"
    limits = {"minimum": "less than", "maximum": "more than"}
    if error.validator in limits:
        return f"{value} is {limits[str(error.validator)]} {error.validator_value}"
    if error.validator == "pattern":
        return f"{value} is not of the form that is wanted here"
    return f"{value} breaks '{error.validator}: {error.validator_value}'"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    text = f"'{value}'" if isinstance(value, str) else text
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
