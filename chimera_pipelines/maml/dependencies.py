"""`## Dependencies`: one yaml block becomes kernels, or the blocks themselves do (MAML.md §3).

Steps, each on what the one before left: the fence (401), the YAML (402), its JSON Schema (403),
then kernel by kernel in `kernel_reader`, and the document's own keys (403, 416, 420). A refused
value is left out and its path kept in `unread`, so that no later rule speaks about it. What needs
the whole graph is in `graph_lint`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml import graph
from chimera_pipelines.maml.dependency_schema import Fault, faults
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import (
    Block,
    Dependencies,
    Fence,
    Kernel,
    Path,
    Places,
    Reference,
    Section,
)
from chimera_pipelines.maml.identifiers import RESERVED, SUPPLIED_WORDS
from chimera_pipelines.maml.kernel_reader import KernelReader, asked_names
from chimera_pipelines.maml.timing import cron_problem, start_problem, timezone_problem
from chimera_pipelines.maml.yaml_subset import load_mapping


def read_dependencies(
    section: Section | None,
    *,
    blocks: Mapping[str, Block],
    code: Section | None,
    run_inputs: frozenset[str] = frozenset(),
) -> tuple[Dependencies | None, list[Diagnostic]]:
    """The graph, None where nothing of it can be said.

    Args:
        section: `## Dependencies`, None when the document has none.
        blocks: code blocks by name, with their facts.
        code: `## Code_Blocks`, None when it is missing.
        run_inputs: names that the document's Input_Schema declares.
    """
    if section is None:
        return _in_document_order(blocks, code, run_inputs)
    fences = [fence for fence in section.fences if fence.language == "yaml"]
    if len(fences) != 1:
        return None, list(_not_one(section, fences))
    result = load_mapping(fences[0].source, first_line=fences[0].first_line, dialect="dependencies")
    found = [problem.diagnostic() for problem in result.problems]
    if result.errors or not result.ok:
        return None, found
    reader = _Reader(result.value, result.places, fences[0])
    dependencies = reader.read(blocks, code)
    found += reader.found
    if dependencies is not None:
        found += _drawing(section, dependencies, found)
    return dependencies, found


def _not_one(section: Section, fences: list[Fence]) -> Iterator[Diagnostic]:
    hint = "write one yaml fence; `chimera migrate` reads arrows and Mermaid"
    if not fences:
        yield Diagnostic(
            "MAML401", Severity.ERROR, section.heading, "no yaml block", hint, fixable=True
        )
    for fence in fences[1:]:
        yield Diagnostic(
            "MAML401", Severity.ERROR, fence.span, "second yaml block", hint, fixable=True
        )


def _in_document_order(
    blocks: Mapping[str, Block], code: Section | None, run_inputs: frozenset[str]
) -> tuple[Dependencies | None, list[Diagnostic]]:
    """As a notebook would: each block after the one above it, nothing passes between them."""
    if not blocks or code is None:
        return None, []
    kernels: dict[str, Kernel] = {}
    above: tuple[str, ...] = ()
    for name, block in blocks.items():
        span = block.fence.span
        bound = [asked for asked in asked_names(block) if asked in run_inputs - SUPPLIED_WORDS]
        kernels[name] = Kernel(
            name=name,
            block=name,
            needs=above,
            inputs={asked: f"$input.{asked}" for asked in bound},
            references=tuple(Reference("input", (asked,), (asked,), span) for asked in bound),
            options={},
            span=span,
            bound_implicitly=True,
        )
        above = (name,)
    order = Diagnostic(
        "MAML415",
        Severity.INFO,
        code.heading,
        "no '## Dependencies': blocks run in document order",
        "add '## Dependencies' to pass values between them",
    )
    return Dependencies(kernels, implicit=True), [order]


class _Reader:
    """One read yaml mapping on its way to `Dependencies`."""

    def __init__(self, value: JSONValue, places: Places, fence: Fence) -> None:
        self._value = value
        self._places = places
        self._start = Span.at(fence.first_line, 1)
        self.found: list[Diagnostic] = []

    def read(self, blocks: Mapping[str, Block], code: Section | None) -> Dependencies | None:
        """The graph; None without kernels."""
        refused = faults(self._value)
        self.found += [self._fault(fault) for fault in refused]
        unread = {fault.path for fault in refused if not fault.at_key}
        document: dict[str, Any] = self._value if isinstance(self._value, dict) else {}
        self._check_times(document, unread)
        written = document.get("kernels")
        if not isinstance(written, dict) or not written:
            return None
        defaults = document.get("defaults")
        reader = KernelReader(
            written,
            defaults if isinstance(defaults, dict) else {},
            self._places,
            frozenset(unread),
            blocks=blocks,
            code=code,
            partitioned="partitions" in document,
        )
        kernels = reader.read()
        self.found += reader.found
        return Dependencies(
            kernels,
            partitions=_mapping(document, "partitions"),
            schedule=_mapping(document, "schedule"),
            trigger=_mapping(document, "trigger"),
            places=self._places,
            unread=frozenset(unread),
        )

    def _span(self, path: Path) -> Span:
        return self._places.values.get(path, self._start)

    def _fault(self, fault: Fault) -> Diagnostic:
        known = self._places.keys if fault.at_key else self._places.values
        span = known.get(fault.path, self._start)
        return Diagnostic(
            "MAML403", Severity.ERROR, span, fault.message, fault.hint, subject=fault.message
        )

    def _check_times(self, document: dict[str, Any], unread: set[Path]) -> None:
        """What is a text to the schema, and a time or a name to us."""
        checks = [
            ("MAML420", ("schedule", "cron"), cron_problem),
            ("MAML403", ("schedule", "timezone"), timezone_problem),
            ("MAML403", ("partitions", "timezone"), timezone_problem),
            ("MAML403", ("partitions", "daily"), start_problem),
            ("MAML403", ("partitions", "hourly"), start_problem),
            ("MAML416", ("partitions", "dynamic"), _reserved),
        ]
        for code, path, check in checks:
            part = document.get(path[0])
            value = part.get(path[1]) if isinstance(part, dict) else None
            if isinstance(value, str) and path not in unread:
                problem = check(value)
                if problem:
                    self.found.append(Diagnostic(code, Severity.ERROR, self._span(path), *problem))


def _reserved(name: str) -> tuple[str, str] | None:
    return (f"'{name}' is reserved", "take another name") if name in RESERVED else None


def _mapping(document: dict[str, Any], key: str) -> dict[str, JSONValue] | None:
    value = document.get(key)
    return value if isinstance(value, dict) else None


def _drawing(
    section: Section, dependencies: Dependencies, found: list[Diagnostic]
) -> Iterator[Diagnostic]:
    """MAML417. A drawing without `%% generated` is the author's own."""
    if any(diagnostic.code in ("MAML404", "MAML409") for diagnostic in found):
        return  # the edges are not known
    expected = graph.drawing(dependencies.kernels)
    for fence in section.fences:
        generated = fence.source.lstrip().startswith("%% generated")
        if fence.language == "mermaid" and generated and fence.source != expected:
            yield Diagnostic(
                "MAML417",
                Severity.WARNING,
                fence.span,
                "drawing is not that of the yaml above",
                "run `chimera fmt --graph`",
                fixable=True,
            )
