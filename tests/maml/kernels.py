"""Blocks and small documents with a graph, for tests of code and graph rules."""

from __future__ import annotations

from chimera_pipelines.maml.code_facts import inspect_block
from chimera_pipelines.maml.diagnostics import Span
from chimera_pipelines.maml.document import Block, Fence, Kernel
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.maml.references import parse, scalars

FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
permissions: {execute: ["gateway://lab/dgx"], read: ["dataset://lab/ok/*", "document://other"]}
requires: {resources: [qiskit, pytorch]}
---
## Intent
Test.

"""
K = '```python {#k}\ndef run():\n    return {"x": 1}\n```\n'
Q = "```qiskit {#q}\ndef circuit():\n    return None\n```\n"
FIRST_LINE = 15


def block(language: str, source: str) -> Block:
    """A block whose fence stands on line 14."""
    fence = Fence(
        f"{language} {{#k}}",
        language,
        "k",
        source,
        Span.at(14, 1, 9),
        FIRST_LINE,
        Span.at(14, 4),
        None,
    )
    return Block("k", language, source, fence)  # type: ignore[arg-type]


def inspect(language: str, source: str):
    """Facts, and findings as (code, line within the block, column)."""
    facts, found = inspect_block(block(language, source))
    return facts, [(d.code, d.span.line - FIRST_LINE + 1, d.span.column) for d in found]


def said(language: str, source: str) -> list[tuple[str, str]]:
    """Findings as (code, the text at their place)."""
    lines = source.split("\n")
    _, found = inspect_block(block(language, source))
    return [
        (d.code, lines[d.span.line - FIRST_LINE][d.span.column - 1 : d.span.end_column - 1])
        if d.span.line >= FIRST_LINE and d.span.line == d.span.end_line
        else (d.code, "fence" if d.span.line < FIRST_LINE else lines[d.span.line - FIRST_LINE])
        for d in found
    ]


def graph_document(dependencies: str | None, code: str = K, rest: str = "") -> str:
    """A document with this yaml (None: without the section) and these blocks."""
    section = (
        f"## Dependencies\n```yaml\n{dependencies}\n```\n\n" if dependencies is not None else ""
    )
    return f"{FRONT}{section}## Code_Blocks\n{code}\n{rest}"


def places(
    dependencies: str | None,
    code: str = K,
    rest: str = "",
    *,
    front: str = FRONT,
    without: tuple[str, ...] = ("MAML415", "MAML503"),
) -> list[tuple[str, str]]:
    """Findings as (code, what the text holds at their place, up to 12 characters)."""
    text = graph_document(dependencies, code, rest).replace(FRONT, front)
    lines = text.split("\n")
    return [
        (d.code, lines[d.span.line - 1][d.span.column - 1 :][:12])
        for d in read_text(text.encode()).diagnostics
        if d.code not in without
    ]


def kernel(name: str, *needs: str, **options) -> Kernel:
    """A kernel with order alone, or with `inputs`."""
    inputs = options.pop("inputs", {})
    return Kernel(
        name=name,
        block=options.pop("block", name),
        needs=needs,
        inputs=inputs,
        references=tuple(_references(inputs)),
        options=options,
        span=Span.at(1, 1),
    )


def _references(inputs):
    from chimera_pipelines.maml.document import Reference

    for place, text in scalars(inputs):
        found = parse(text)
        yield Reference(found.root, found.path, place, Span.at(1, 1))
