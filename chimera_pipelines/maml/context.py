"""Constants of `## Context`: at most one yaml fence, whose keys are names (MAML.md §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.fences import ReadFence
from chimera_pipelines.maml.identifiers import MAX_NAME, NAME
from chimera_pipelines.maml.yaml_subset import load_mapping


@dataclass(frozen=True, slots=True)
class Context:
    """The constants. `read` is false when some could not be read, so that none may be missed."""

    value: Mapping[str, JSONValue] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    read: bool = True


def read_context(fences: Sequence[ReadFence]) -> Context:
    """The constants of the section's yaml fence."""
    written = [f for f in fences if f.fence.language == "yaml"]
    if not written:
        return Context()
    found = [
        Diagnostic("MAML302", Severity.ERROR, f.fence.span, "second yaml block", "merge them")
        for f in written[1:]
    ]
    first = written[0]
    if first.broken:
        return Context({}, tuple(found), read=False)
    result = load_mapping(first.fence.source, first_line=first.fence.first_line, dialect="context")
    found += [p.diagnostic() for p in result.problems]
    if not result.ok:
        return Context({}, tuple(found), read=False)
    value = {} if result.value is None else result.value
    if not isinstance(value, dict):
        message = "constants are a mapping of names"
        span = result.places.values[()]
        found.append(Diagnostic("MAML207", Severity.ERROR, span, message, "write 'name: value'"))
        return Context({}, tuple(found), read=False)
    for key in value:
        if not NAME.match(key) or len(key) > MAX_NAME:
            message = f"'{key}' is not a name"
            hint = f"at most {MAX_NAME} lower-case letters, digits and single '_'"
            span = result.places.keys[key,]
            found.append(Diagnostic("MAML207", Severity.ERROR, span, message, hint))
    return Context(value, tuple(found), read=not (result.unread or result.incomplete))
