"""JSON Schemas of `## Input_Schema` and `## Output_Schema` (MAML.md §5; 302, 313, 501, 502).

A schema that cannot be read counts as `true` for the graph: it exists, and says nothing. From one
that is no JSON Schema the wrong keywords are left out, so that what the rest declares still holds.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chimera_pipelines.contracts.schema import SchemaProblem, check_schema
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Dependencies, Path, Places, Schema
from chimera_pipelines.maml.fences import ReadFence
from chimera_pipelines.maml.json_subset import load_json
from chimera_pipelines.maml.yaml_subset import load_mapping

LANGUAGES = ("json", "yaml")

_ROUNDS = 4
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})


@dataclass(frozen=True, slots=True)
class _Text:
    """A schema's value; `value` True where it could not be read."""

    value: JSONValue
    places: Places
    diagnostics: list[Diagnostic]
    read: bool


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of one kind.

    Attributes:
        named: by kernel, None for the document's own.
        unread: those of them that could not be read and count as `true`.
    """

    named: Mapping[str | None, Schema]
    unread: frozenset[str | None]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def properties(self) -> frozenset[str]:
        """Top-level names that the document's own schema declares."""
        own = self.named.get(None)
        schema = own.schema if own is not None else None
        declared = schema.get("properties") if isinstance(schema, dict) else None
        return frozenset(declared if isinstance(declared, dict) else ())


def read_schemas(headings: Sequence[Span], fences: Sequence[ReadFence]) -> Schemas:
    """The schemas of all sections of one kind.

    Args:
        headings: of the sections of this kind; none when the document has none.
        fences: in those sections.
    """
    written = [f for f in fences if f.fence.language in LANGUAGES]
    if headings and not written:
        message = "no schema: a fence of json is missing"
        problem = _problem("MAML501", headings[0], message, "put the schema in ```json")
        return Schemas({}, frozenset({None}), (problem,))
    schemas: dict[str | None, Schema] = {}
    unread: set[str | None] = set()
    found: list[Diagnostic] = []
    for fence in written:
        text = _read(fence)
        found += text.diagnostics
        span = fence.fence.span
        if fence.attribute and fence.fence.name is None:
            found.append(_problem("MAML313", span, f"'{fence.attribute}' is not '{{#kernel}}'"))
        elif fence.fence.name in schemas:
            found.append(_problem("MAML302", span, f"second schema of {_whose(fence)}"))
        else:
            schemas[fence.fence.name] = Schema(fence.fence.name, text.value, fence.fence)
            unread |= set() if text.read else {fence.fence.name}
    return Schemas(schemas, frozenset(unread), tuple(found))


def published(schemas: Mapping[str | None, Schema], dependencies: Dependencies) -> list[Diagnostic]:
    """What is wrong with an unnamed Output_Schema: it needs exactly one final kernel."""
    schema = schemas.get(None)
    if schema is None:
        return []
    read = {name for kernel in dependencies.kernels.values() for name in kernel.data_producers}
    final = [name for name in dependencies.kernels if name not in read]
    if len(final) > 1:
        names = ", ".join(f"'{name}'" for name in final[:4])
        message = f"several final kernels: {names}"
        return [_problem("MAML313", schema.fence.span, message, "name the schema's kernel")]
    if final and final[0] in schemas:
        later = max(schema, schemas[final[0]], key=lambda s: s.fence.span)
        return [_problem("MAML302", later.fence.span, f"second schema of '{final[0]}'")]
    return []


def _whose(fence: ReadFence) -> str:
    return f"'{fence.fence.name}'" if fence.fence.name else "the document"


def _read(fence: ReadFence) -> _Text:
    if fence.broken:
        return _Text(True, Places(), [], read=False)
    text = _parse(fence)
    if not text.read:
        return text
    if not isinstance(text.value, bool | dict):
        message = "a schema is an object or a boolean"
        problem = _problem("MAML502", text.places.values[()], message)
        return _Text(True, text.places, [*text.diagnostics, problem], read=False)
    value, wrong = _judge(text.value)
    problems = [
        _problem("MAML502", _place(p.path, text.places), p.message, p.hint, fixable=True)
        for p in wrong
    ]
    return _Text(value, text.places, [*text.diagnostics, *problems], read=True)


def _judge(value: JSONValue) -> tuple[JSONValue, list[SchemaProblem]]:
    """A schema that holds, and what had to be left out of the one that was written.

    What the metaschema refuses hides the profile's own rules, so the rest is checked again.
    """
    problems: list[SchemaProblem] = []
    for _ in range(_ROUNDS):
        wrong = check_schema(value)
        if not wrong:
            return value, problems
        problems += wrong
        value = _without([p.path for p in wrong], value)
    return True, problems


def _parse(fence: ReadFence) -> _Text:
    source, first_line = fence.fence.source, fence.fence.first_line
    if fence.fence.language == "json":
        json_text = load_json(source, first_line=first_line)
        found = [p.diagnostic() for p in json_text.problems]
        value = json_text.value if json_text.ok else True
        return _Text(value, json_text.places, found, read=json_text.ok)
    yaml_text = load_mapping(source, first_line=first_line, dialect="schema")
    found = [p.diagnostic() for p in yaml_text.problems]
    read = not yaml_text.errors
    return _Text(yaml_text.value if read else True, yaml_text.places, found, read=read)


def _place(path: Path, places: Places) -> Span:
    """The value at a path, or what of it is there."""
    for length in range(len(path), -1, -1):
        span = places.values.get(path[:length])
        if span is not None:
            return span
    return Span.at(1, 1)


def _without(paths: Sequence[Path], value: JSONValue) -> JSONValue:
    """A copy of the schema that lacks the keywords at these paths."""
    kept = copy.deepcopy(value)
    for path in paths:
        if not path:
            return True
        _remove(kept, path)
    return kept


def _remove(value: JSONValue, path: Path) -> None:
    """Remove the innermost mapping entry on the way to a path."""
    steps: list[tuple[dict[str, JSONValue], str]] = []
    at = value
    for part in path:
        if isinstance(at, dict) and isinstance(part, str) and part in at:
            steps.append((at, part))
            at = at[part]
        elif isinstance(at, list) and isinstance(part, int) and part < len(at):
            at = at[part]
        else:
            return
    if not steps:
        return
    holder, key = steps[-1]
    if len(steps) > 1 and steps[-2][1] in _NAMED_SCHEMAS:
        holder[key] = True
    else:
        del holder[key]


def _problem(
    code: str, span: Span, message: str, hint: str | None = None, *, fixable: bool = False
) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, span, message, hint, fixable=fixable)
