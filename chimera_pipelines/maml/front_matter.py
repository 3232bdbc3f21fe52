"""Front matter: its fence, its yaml, its fields (MAML.md §2; 201-212, 701-703).

The JSON Schema in `schemas/` is the contract; this module gives its findings the profile's codes
and places, and adds what a schema cannot say. A placeholder stands alone on its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from chimera_pipelines.contracts.permissions import UNSET_GATEWAY, PatternError, parse_pattern
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Path, Places
from chimera_pipelines.maml.profile_schema import Finding, findings
from chimera_pipelines.maml.yaml_result import YamlResult
from chimera_pipelines.maml.yaml_subset import FRONT_DEPTH, load_mapping

_PLACEHOLDER = re.compile(r"\[(?=[A-Z0-9]*_)[A-Z][A-Z0-9_]*\]|xxxxxxxx-|urn:uuid:\.\.\.")
_TOP: Final = Span.at(1, 1)
_FENCE: Final = "---"
_OF_DEPENDENCIES: Final = frozenset({"kernels", "defaults", "partitions", "schedule", "trigger"})


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A read front matter.

    Attributes:
        closing_line: line number of the `---` that closes it; None after 201 and 202.
        unread: paths whose value is not known, `()` when nothing was read.
    """

    value: Mapping[str, JSONValue]
    places: Places
    closing_line: int | None
    unread: frozenset[Path]
    diagnostics: tuple[Diagnostic, ...]


def read_front_matter(body: str) -> FrontMatter:
    """The front matter at the top of a document's text."""
    lines = body.split("\n")
    if lines[0] != _FENCE:
        return _absent("MAML201", "no front matter", _why_none(lines[0]))
    if _FENCE not in lines[1:]:
        return _absent("MAML202", "front matter is never closed", "add a line '---' below it")
    closing = lines.index(_FENCE, 1)
    result = load_mapping(
        "\n".join(lines[1:closing]), first_line=2, max_depth=FRONT_DEPTH, dialect="front"
    )
    found = [p.diagnostic() for p in result.problems]
    if result.ok and result.value is None:
        result = replace(result, value={})
    if result.ok:
        found = _without_placeholders(result, [*found, *_judge(result)])
    value = result.value if isinstance(result.value, dict) else {}
    unread = result.unread if result.ok and value is result.value else frozenset({()})
    return FrontMatter(value, result.places, closing + 1, unread, tuple(found))


def _absent(code: str, message: str, hint: str) -> FrontMatter:
    problem = Diagnostic(code, Severity.ERROR, _TOP, message, hint)
    return FrontMatter({}, Places(), None, frozenset({()}), (problem,))


def _why_none(first: str) -> str:
    if first.lstrip().startswith(("```", "~~~")):
        return "it stands in a fence: remove the fence around it"
    if first.startswith(_FENCE) and first.strip("- \t"):
        return "it is collapsed: write '---' and every key on a line of its own"
    return "begin with a line that is exactly '---'"


def _judge(result: YamlResult) -> list[Diagnostic]:
    """The findings of the schema, and of what it cannot say."""
    found: list[Diagnostic] = []
    for finding in findings("front-matter", result.value):
        if not _unknown(finding, result):
            found += _coded(finding, result.places)
    if isinstance(result.value, dict):
        found += _permissions(result.value.get("permissions"), result.places)
        found += _requires(result.value.get("requires"), result.places)
    return found


def _unknown(finding: Finding, result: YamlResult) -> bool:
    """Whether the finding would need what was not read."""
    if finding.keyword == "required" and finding.path in result.incomplete:
        return True
    return any(finding.path[:n] in result.unread for n in range(len(finding.path) + 1))


def _coded(finding: Finding, places: Places) -> Iterator[Diagnostic]:
    path = finding.path
    at = places.values[path]
    if finding.keyword == "required":
        for name in finding.names:
            yield _missing(path, name, Span.at(at.line, at.column))
    elif finding.keyword == "additionalProperties":
        for name in finding.names:
            yield _unknown_field(name, finding.known, places.keys[(*path, name)])
    else:
        code = _value_code(path, finding.keyword)
        if code:
            yield Diagnostic(code, Severity.ERROR, at, _about(path, finding), _hint(code))


def _missing(path: Path, name: str, span: Span) -> Diagnostic:
    field = ".".join(str(part) for part in (*path, name))
    if field == "profile":
        message = "no profile: a dialect document, which is never run"
        return Diagnostic("MAML212", Severity.ERROR, span, message, _hint("MAML212"))
    if field == "permissions.execute":
        return Diagnostic(
            "MAML701", Severity.ERROR, span, "'permissions.execute' is missing", _hint("MAML701")
        )
    message = f"field '{field}' is missing"
    return Diagnostic("MAML206", Severity.ERROR, span, message, f"add '{name}:'", subject=field)


def _unknown_field(name: str, known: tuple[str, ...], span: Span) -> Diagnostic:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "own keys start with 'x-'"
    if name in _OF_DEPENDENCIES:
        hint = f"'{name}' belongs in the yaml of ## Dependencies"
    return Diagnostic("MAML208", Severity.ERROR, span, f"unknown field '{name}'", hint)


def _value_code(path: Path, keyword: str) -> str | None:
    match path:
        case ("id",):
            return "MAML210"
        case ("profile",):
            return "MAML212"
        case ("permissions", "execute") if keyword == "minItems":
            return "MAML701"
        case ("permissions", _, int()) if keyword == "pattern":
            return None  # MAML703, with a message of its own
        case _:
            return "MAML207"


def _hint(code: str) -> str | None:
    return {
        "MAML210": "'urn:uuid:' and a UUID of RFC 9562, lower case",
        "MAML212": "write 'profile: kernels/1', or run `chimera migrate`",
        "MAML701": 'name who may run it: execute: ["gateway://…"]',
    }.get(code)


def _about(path: Path, finding: Finding) -> str:
    field = ".".join(str(part) for part in path)
    if field == "id":
        return "'id' is no UUID URN"
    return f"'{field}': {finding.message}" if field else finding.message


def _permissions(value: JSONValue, places: Places) -> Iterator[Diagnostic]:
    if not isinstance(value, dict):
        return
    for action in ("execute", "read", "write"):
        patterns = value.get(action)
        for number, text in enumerate(patterns if isinstance(patterns, list) else []):
            if isinstance(text, str):
                span = places.values["permissions", action, number]
                yield from _pattern(action, text, span)


def _pattern(action: str, text: str, span: Span) -> Iterator[Diagnostic]:
    if action == "execute" and "*" in text:
        message = f"wildcard in execute: '{text}'"
        yield Diagnostic("MAML702", Severity.WARNING, span, message, "name each one")
    if action == "execute" and text == UNSET_GATEWAY:
        message = f"'{UNSET_GATEWAY}' answers to no one"
        yield Diagnostic("MAML701", Severity.WARNING, span, message, "name your gateway")
    try:
        pattern = parse_pattern(text)
    except PatternError as error:
        yield Diagnostic("MAML703", Severity.ERROR, span, error.message, error.hint)
        return
    if action == "execute" and not pattern.is_principal:
        message = f"'{pattern.scheme}' is no principal: '{text}'"
        hint = "execute takes agent, user, role, gateway and head"
        yield Diagnostic("MAML703", Severity.ERROR, span, message, hint)


def _requires(value: JSONValue, places: Places) -> Iterator[Diagnostic]:
    """PEP 508 requirements and the PEP 440 specifier."""
    if not isinstance(value, dict):
        return
    libs = value.get("libs")
    for number, text in enumerate(libs if isinstance(libs, list) else []):
        if isinstance(text, str) and not _parses_as("Requirement", text):
            span = places.values["requires", "libs", number]
            yield _wrong(span, f"'{text}' is no PEP 508 requirement")
    python = value.get("python")
    if isinstance(python, str) and not _parses_as("SpecifierSet", python):
        yield _wrong(places.values["requires", "python"], f"'{python}' is no PEP 440 specifier")


def _wrong(span: Span, message: str) -> Diagnostic:
    return Diagnostic("MAML207", Severity.ERROR, span, message)


def _parses_as(kind: str, text: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    readers: dict[str, Any] = {"Requirement": Requirement, "SpecifierSet": SpecifierSet}
    try:
        readers[kind](text)
    except (InvalidRequirement, InvalidSpecifier):
        return False
    return True


def _without_placeholders(result: YamlResult, found: list[Diagnostic]) -> list[Diagnostic]:
    """MAML209, and the findings that do not stand on a placeholder."""
    placeholders = [
        Diagnostic("MAML209", Severity.ERROR, span, f"placeholder '{text}'", "write the value")
        for text, span in _scalars((), result)
        if text == "..." or _PLACEHOLDER.search(text)
    ]
    taken = {(d.span.line, d.span.column) for d in placeholders}
    return [*placeholders, *(d for d in found if (d.span.line, d.span.column) not in taken)]


def _scalars(path: Path, result: YamlResult) -> Iterator[tuple[str, Span]]:
    """Every string value with its place; the depth of front matter bounds the recursion."""

    def inside(value: JSONValue, path: Path) -> Iterator[tuple[str, Span]]:
        if isinstance(value, str):
            yield value, result.places.values[path]
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from inside(item, (*path, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from inside(item, (*path, number))

    yield from inside(result.value, path)
