"""The door of the language: bytes in, a `Document` with every diagnostic of MAML.md §7 out.

Nothing here raises for what a document says. Stages run in the order of the text's structure: text,
front matter, sections, blocks, schemas, dependencies, graph; each says what is wrong with its part
and hands on what could be read. An error hides what only follows from it: a stage is told which
parts are unread, and content of a fence that ends where it should not is not judged.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import UsageError, Where
from chimera_pipelines.maml.blocks import read_blocks, read_interfaces
from chimera_pipelines.maml.code_facts import inspect_block
from chimera_pipelines.maml.code_records import UNPARSED
from chimera_pipelines.maml.context import read_context
from chimera_pipelines.maml.dependencies import read_dependencies
from chimera_pipelines.maml.diagnostics import Diagnostic, Span, ordered
from chimera_pipelines.maml.document import Block, Document, Places
from chimera_pipelines.maml.fences import ReadFence
from chimera_pipelines.maml.front_matter import FrontMatter, read_front_matter
from chimera_pipelines.maml.graph_lint import lint_graph
from chimera_pipelines.maml.history_place import place_history
from chimera_pipelines.maml.identifiers import SUPPLIED_WORDS
from chimera_pipelines.maml.kernel_reader import asked_names
from chimera_pipelines.maml.schema_blocks import Schemas, published, read_schemas
from chimera_pipelines.maml.secrets import secret_diagnostics
from chimera_pipelines.maml.sections import (
    CODE,
    CONTEXT,
    DEPENDENCIES,
    INPUTS,
    OUTPUTS,
    VERIFICATION,
    Body,
    missing_sections,
)
from chimera_pipelines.maml.security import encryption_diagnostics
from chimera_pipelines.maml.text import MAX_BODY, Text, read_bytes, too_large

# Bytes in which a History line must stand: CRLF may double what counts, and a BOM leads.
_HEAD_BYTES = 2 * MAX_BODY + 16
_FILE_BYTES = 64 * 1024 * 1024
_HISTORY_LINE = re.compile(rb"(?:\A|\n)## History\r?(?:\n|\Z)")

# What reading the content of a fence says; none of it stands when the fence ends elsewhere.
_OF_CONTENT = ("MAML314", "MAML402", "MAML501")
# What needs a part of the front matter, by the field it needs.
_NEEDS = {
    "requires": ("MAML410", "MAML411"),
    "permissions": ("MAML704",),
    "verification": ("MAML601", "MAML602"),
    "encryption": ("MAML705", "MAML706"),
    "quantum_security_flag": ("MAML705",),
}


def read_file(path: Path, *, extra_imports: frozenset[str] = frozenset()) -> Document:
    """The document in a file.

    Args:
        path: of the file.
        extra_imports: modules that the operator lets blocks import besides MAML.md §4's.

    Raises:
        UsageError: it cannot be read or is no file (CHIM202).
    """
    data = file_bytes(path)
    if isinstance(data, Diagnostic):
        return _empty(read_bytes(b""), str(path), [data])
    return read_text(data, str(path), extra_imports=extra_imports)


def file_bytes(path: Path) -> bytes | Diagnostic:
    """The bytes of a file, or MAML104 when its size alone says that it is no document.

    Raises:
        UsageError: it cannot be read or is no file (CHIM202).
    """
    try:
        return _file_bytes(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            "CHIM202", f"cannot read '{path}': {reason}", where=Where(str(path))
        ) from error


def _file_bytes(path: Path) -> bytes | Diagnostic:
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError("CHIM202", f"'{path}' is no file", where=Where(str(path)))
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return head
        if _HISTORY_LINE.search(head) is None:
            return too_large(f"more than {MAX_BODY} bytes above History")
        rest = file.read(_FILE_BYTES - len(head) + 1)
        if len(head) + len(rest) > _FILE_BYTES:
            return too_large(f"more than {_FILE_BYTES} bytes; History is rotated long before")
        return head + rest


def read_text(
    data: bytes, path: str | None = None, *, extra_imports: frozenset[str] = frozenset()
) -> Document:
    """The document in bytes; whatever is wrong with it stands in its `diagnostics`.

    Args:
        data: the whole file, History included.
        path: as given, for messages.
        extra_imports: modules that the operator lets blocks import besides MAML.md §4's.
    """
    text = read_bytes(data)
    found = [*text.diagnostics]
    if not text.readable:
        return _empty(text, path, found)
    found += secret_diagnostics(text.body)
    front = read_front_matter(text.body)
    found += front.diagnostics
    if front.closing_line is None:
        return _empty(text, path, found)
    placed = place_history(text, front.closing_line + 1)
    found += [*placed.diagnostics, *placed.body.diagnostics]
    found += missing_sections(placed.body, placed.below, front.closing_line)
    draft, said = _read_sections(text, path, front, placed.body, extra_imports)
    return replace(draft, diagnostics=ordered([*found, *said]))


def _empty(text: Text, path: str | None, found: Sequence[Diagnostic]) -> Document:
    """A document of which nothing below the text could be read."""
    return Document(
        path=path,
        text=text.text,
        body_bytes=text.parts.body,
        digest=sha256(text.parts.body),
        front_matter={},
        front_places=Places(),
        title=None,
        sections=(),
        context={},
        blocks={},
        dependencies=None,
        input_schemas={},
        output_schemas={},
        interfaces={},
        diagnostics=ordered(found),
        unread=frozenset({"front_matter", "context", "dependencies"}),
    )


def _read_sections(
    text: Text, path: str | None, front: FrontMatter, body: Body, extra_imports: frozenset[str]
) -> tuple[Document, list[Diagnostic]]:
    """Everything below the front matter."""
    code, found = read_blocks(_fences(body, CODE))
    blocks, said = _inspected(code, body, extra_imports)
    found += said
    context = read_context(_fences(body, CONTEXT))
    inputs = read_schemas(_headings(body, INPUTS), _fences(body, INPUTS))
    outputs = read_schemas(_headings(body, OUTPUTS), _fences(body, OUTPUTS))
    found += [*context.diagnostics, *inputs.diagnostics, *outputs.diagnostics]
    interfaces, said = read_interfaces(_fences(body, VERIFICATION))
    found += said
    draft = replace(
        _empty(text, path, ()),
        front_matter=front.value,
        front_places=front.places,
        title=body.title,
        sections=body.sections,
        context=context.value,
        blocks=blocks,
        input_schemas=inputs.named,
        output_schemas=outputs.named,
        interfaces=interfaces,
        unread=_unread(front, context_read=context.read),
    )
    return _read_graph(draft, body, _run_inputs(inputs, blocks), found)


def _run_inputs(inputs: Schemas, blocks: Mapping[str, Block]) -> frozenset[str]:
    """Names that run inputs have; any that is asked for where the schema could not be read."""
    if None not in inputs.unread:
        return inputs.properties
    asked = {name for block in blocks.values() for name in asked_names(block)}
    return frozenset(asked - SUPPLIED_WORDS)


def _read_graph(
    draft: Document, body: Body, run_inputs: frozenset[str], found: list[Diagnostic]
) -> tuple[Document, list[Diagnostic]]:
    """Dependencies, and what the whole says once all parts are there."""
    section = next(iter(body.named(DEPENDENCIES)), None)
    dependencies, said = read_dependencies(
        section,
        blocks=draft.blocks,
        code=next(iter(body.named(CODE)), None),
        run_inputs=run_inputs,
    )
    broken = [f for f in _fences(body, DEPENDENCIES) if f.broken]
    found += [d for d in said if not _inside(d, broken)]
    if dependencies is None and section is not None:
        draft = replace(draft, unread=draft.unread | {"dependencies"})
    draft = replace(draft, dependencies=dependencies)
    found += lint_graph(replace(draft, diagnostics=ordered(found)))
    if dependencies is not None:
        found += published(draft.output_schemas, dependencies)
    if dependencies is not None or section is None:
        found += encryption_diagnostics(draft.front_matter, draft.front_places, dependencies)
    return draft, [d for d in found if d.code not in _unknowable(draft.unread)]


def _inspected(
    blocks: Mapping[str, Block], body: Body, extra_imports: frozenset[str]
) -> tuple[dict[str, Block], list[Diagnostic]]:
    """Blocks with their facts; of a block whose fence ends elsewhere nothing is known."""
    broken = {f.fence.span.line for f in body.fences if f.broken}
    inspected: dict[str, Block] = {}
    found: list[Diagnostic] = []
    for name, block in blocks.items():
        if block.fence.span.line in broken:
            inspected[name] = replace(block, facts=UNPARSED)
            continue
        facts, said = inspect_block(block, extra_imports=extra_imports)
        inspected[name] = replace(block, facts=facts)
        found += said
    return inspected, found


def _fences(body: Body, name: str) -> list[ReadFence]:
    """The fences of all sections of a name, in order."""
    lines = {fence.span.line for section in body.named(name) for fence in section.fences}
    return [f for f in body.fences if f.fence.span.line in lines]


def _headings(body: Body, name: str) -> list[Span]:
    return [section.heading for section in body.named(name)]


def _inside(found: Diagnostic, fences: Sequence[ReadFence]) -> bool:
    """Whether it speaks of the content of one of the fences."""
    return found.code in _OF_CONTENT and any(
        f.fence.span.line < found.span.line <= f.last_line for f in fences
    )


def _unread(front: FrontMatter, *, context_read: bool) -> frozenset[str]:
    names = {str(path[0]) if path else "front_matter" for path in front.unread}
    return frozenset(names if context_read else names | {"context"})


def _unknowable(unread: frozenset[str]) -> frozenset[str]:
    """Codes that nothing may be said of, because they need what was not read."""
    fields = _NEEDS if "front_matter" in unread else unread & _NEEDS.keys()
    return frozenset(code for field in fields for code in _NEEDS[field])
