"""Schemas and specifications (MAML.md §5, §6): 404, 407, 432, 503, 504, 6xx.

Whether a schema is JSON (501) and a JSON Schema (502) is known before: of one that is not, the
draft holds what could be read, `true` at worst, which exists and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chimera_pipelines.contracts import schema as contracts
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Fence, Kernel, Path, Places, Reference, Schema
from chimera_pipelines.maml.graph_view import View
from chimera_pipelines.maml.json_subset import load_json
from chimera_pipelines.maml.nearest import did_you_mean
from chimera_pipelines.maml.references import CONTEXT, PARTITION, RUN_INPUTS
from chimera_pipelines.maml.sections import INPUTS, OUTPUTS, VERIFICATION
from chimera_pipelines.maml.yaml_subset import load_mapping

_SCHEMA_LANGUAGES: Final = frozenset({"json", "yaml"})
_PARTITION_KEY: Final[dict[str, JSONValue]] = {"type": "string"}
_GOSPEL = re.compile(r"\(\*@")


def lint(view: View) -> Iterator[Diagnostic]:
    """All findings about contracts."""
    yield from _schema_names(view)
    yield from _missing_schemas(view)
    yield from _specifications(view)
    for kernel in view.kernels.values():
        for reference in kernel.references:
            yield from _reference(view, kernel, reference)


def _fences(view: View, section: str) -> list[Fence]:
    found = view.section(section)
    fences = found.fences if found is not None else ()
    return [fence for fence in fences if fence.language in _SCHEMA_LANGUAGES]


def _unknown(view: View, fence: Fence) -> Diagnostic:
    hint = did_you_mean(str(fence.name), view.kernels)
    message = f"unknown kernel '{fence.name}'"
    return Diagnostic("MAML404", Severity.ERROR, _line(fence), message, hint)


def _line(fence: Fence) -> Span:
    return Span.at(fence.span.line, 1, len(fence.info) + 3)


def _schema_names(view: View) -> Iterator[Diagnostic]:
    """Schemas of kernels that do not exist."""
    for fence in (*_fences(view, INPUTS), *_fences(view, OUTPUTS)):
        if fence.name is not None and fence.name not in view.kernels:
            yield _unknown(view, fence)


def _missing_schemas(view: View) -> Iterator[Diagnostic]:
    fences = _fences(view, OUTPUTS)
    typed = {fence.name for fence in fences if fence.name is not None}
    if any(fence.name is None for fence in fences) and len(view.final) == 1:
        typed.add(view.final[0])
    for kernel in view.kernels.values():
        if kernel.name in typed:
            continue
        critical = kernel.options.get("critical") is True
        yield Diagnostic(
            "MAML503",
            Severity.ERROR if critical else Severity.WARNING,
            kernel.span,
            f"{'critical ' if critical else ''}kernel '{kernel.name}' has no Output_Schema",
            f"add a json block {{#{kernel.name}}} under '## Output_Schema'",
        )


def lint_defaults(schemas: Mapping[str | None, Schema]) -> Iterator[Diagnostic]:
    """MAML504: defaults of run inputs that their own schema refuses.

    Args:
        schemas: of Input_Schema; only the document's own, None, has defaults that are applied.
    """
    schema = schemas.get(None)
    if schema is None or not isinstance(schema.schema, dict):
        return
    for problem in contracts.check_defaults(schema.schema):
        span = _places(schema.fence).values.get(problem.path, schema.fence.span)
        yield Diagnostic("MAML504", Severity.ERROR, span, problem.message, problem.hint)


def _places(fence: Fence) -> Places:
    if fence.language == "json":
        return load_json(fence.source, first_line=fence.first_line).places
    return load_mapping(fence.source, first_line=fence.first_line, dialect="schema").places


def _specifications(view: View) -> Iterator[Diagnostic]:
    """One interface with Gospel for each OCaml kernel, when the front matter asks for it."""
    verification = view.draft.front_matter.get("verification")
    section = view.section(VERIFICATION)
    fences = section.fences if section is not None else ()
    for fence in fences:
        if fence.name is not None and fence.name not in view.kernels:
            yield _unknown(view, fence)
    if not isinstance(verification, dict) or verification.get("method") != "ortac-runtime":
        return
    interfaces = {fence.name: fence for fence in fences if fence.language == "ocaml"}
    for kernel in view.kernels.values():
        block = view.draft.blocks.get(kernel.block)
        if block is None or block.language != "ocaml":
            continue
        interface = interfaces.get(kernel.name)
        if interface is None:
            yield Diagnostic(
                "MAML601",
                Severity.ERROR,
                _line(block.fence),
                f"kernel '{kernel.name}' has no specification",
                f"add an ocaml block {{#{kernel.name}}} under '## Verification'",
                subject=kernel.name,
            )
        elif not _GOSPEL.search(interface.source):
            message = f"interface of '{kernel.name}' has no Gospel comment"
            hint = "a specification begins with (*@"
            yield Diagnostic("MAML602", Severity.ERROR, _line(interface), message, hint)


def _reference(view: View, kernel: Kernel, reference: Reference) -> Iterator[Diagnostic]:
    if reference.root == CONTEXT:
        yield from _constant(view, reference)
    elif reference.root == PARTITION:
        yield from _types(view, kernel, reference, _PARTITION_KEY, ())
    else:
        is_input = reference.root == RUN_INPUTS
        schema = (
            view.draft.input_schemas.get(None) if is_input else _output_schema(view, reference.root)
        )
        if schema is not None:
            yield from _typed(view, kernel, reference, schema.schema)
        elif is_input and (view.section(INPUTS) is None or _fences(view, INPUTS)):
            yield _undeclared(reference, "no Input_Schema declares it")


def _output_schema(view: View, name: str) -> Schema | None:
    schema = view.draft.output_schemas.get(name)
    if schema is None and view.final == (name,):
        schema = view.draft.output_schemas.get(None)
    return schema


def _constant(view: View, reference: Reference) -> Iterator[Diagnostic]:
    if "context" in view.draft.unread:
        return
    # A step that does not fit the value's kind (`.name` of a list) is in neither.
    value: Any = dict(view.draft.context)
    for step in reference.path:
        parts = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(parts, dict) or step not in parts:
            yield _undeclared(reference, "Context has no such constant")
            return
        value = parts[step]


def _undeclared(reference: Reference, why: str) -> Diagnostic:
    steps = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in reference.path)
    return Diagnostic(
        "MAML407",
        Severity.ERROR,
        reference.span,
        f"'${reference.root}{steps}' is not declared",
        why,
    )


def _typed(
    view: View, kernel: Kernel, reference: Reference, schema: JSONValue
) -> Iterator[Diagnostic]:
    if not isinstance(schema, dict):
        return
    if contracts.property_declared(schema, reference.path) is False:
        yield _undeclared(reference, f"the schema of '{reference.root}' does not have it")
    else:
        yield from _types(view, kernel, reference, schema, reference.path)


def _types(
    view: View,
    kernel: Kernel,
    reference: Reference,
    produced: dict[str, JSONValue],
    path: Path,
) -> Iterator[Diagnostic]:
    """MAML432 where the consumer's Input_Schema is typed too."""
    consumer = view.draft.input_schemas.get(kernel.name)
    if consumer is None:
        return
    if not isinstance(consumer.schema, dict | bool) or _may_be_resource(produced, reference):
        return
    if not contracts.may_meet(produced, consumer.schema, path, reference.place):
        place = ".".join(str(step) for step in reference.place)
        yield Diagnostic(
            "MAML432",
            Severity.ERROR,
            reference.span,
            f"no value can be what '{reference.root}' gives and what input '{place}' takes",
            "compare the two schemas",
        )


def _may_be_resource(produced: dict[str, JSONValue], reference: Reference) -> bool:
    """A run input that is a `dataset://` URI becomes rows before the kernel's schema sees it."""
    if reference.root != RUN_INPUTS or len(reference.place) > 1:
        return False
    return contracts.may_meet(produced, {"type": "string"}, reference.path, ())
