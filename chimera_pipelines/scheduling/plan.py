"""Plans: a document compiled once, content-addressed, read by every runner.

A plan holds everything that a run needs, as JSON: kernels with their sources, levels, heads,
schemas, schedule. Its digest is the SHA-256 of that JSON's canonical text, less the path the
document was read from. Sorting happens here, so that a run pays nothing for it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from chimera_pipelines.digest import MAX_INTEGER, JSONValue, digest
from chimera_pipelines.errors import DocumentError, ExitCode, GraphError, Where
from chimera_pipelines.lifecycle.spec import (
    BlockSpec,
    DocumentSpec,
    InputReference,
    KernelSpec,
    Schema,
    document_from_json,
    kernel_from_json,
    to_json,
)
from chimera_pipelines.maml import graph
from chimera_pipelines.maml.code_facts import CodeFacts
from chimera_pipelines.maml.diagnostics import Severity, exit_code
from chimera_pipelines.maml.document import Block, Document, Kernel
from chimera_pipelines.maml.document import Schema as SchemaFence
from chimera_pipelines.maml.names import job_name, slug
from chimera_pipelines.maml.reader import read_file
from chimera_pipelines.scheduling import router
from chimera_pipelines.scheduling.levels import group_levels, topological_levels


@dataclass(frozen=True)  # no slots: the digest and the kernels by name are kept
class Plan:
    """A compiled document.

    Attributes:
        kernels: in topological order, by level and within a level as in the document.
        levels: names of the kernels of each level.
        partitions, schedule, trigger: of `## Dependencies`, as written.
    """

    schema: ClassVar[str] = "chimera.plan/1"
    document: DocumentSpec
    kernels: tuple[KernelSpec, ...]
    levels: tuple[tuple[str, ...], ...]
    partitions: Mapping[str, JSONValue] | None
    schedule: Mapping[str, JSONValue] | None
    trigger: Mapping[str, JSONValue] | None

    @property
    def slug(self) -> str:
        """The document's name in Dagster (MAML.md §9)."""
        return self.document.slug

    @property
    def job_name(self) -> str:
        """`maml_<slug>_<id8>`."""
        return job_name(Path(self.document.path).name, self.document.id)

    @cached_property
    def digest(self) -> str:
        """Content id of the plan."""
        return digest({**self.to_json(), "document": {**to_json(self.document), "path": None}})

    @property
    def finals(self) -> tuple[str, ...]:
        """Kernels that no other kernel reads."""
        read = {name for kernel in self.kernels for name in kernel.data_producers}
        return tuple(kernel.name for kernel in self.kernels if kernel.name not in read)

    def kernel(self, name: str) -> KernelSpec:
        """The kernel `name`.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, KernelSpec]:
        return {kernel.name: kernel for kernel in self.kernels}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` reads it back."""
        return {
            "schema": self.schema,
            "document": to_json(self.document),
            "kernels": to_json(self.kernels),
            "levels": to_json(self.levels),
            "partitions": to_json(self.partitions),
            "schedule": to_json(self.schedule),
            "trigger": to_json(self.trigger),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Read `to_json` back.

        Raises:
            ValueError: it is no plan of this version.
        """
        if value.get("schema") != cls.schema:
            raise ValueError(f"not a {cls.schema}: {value.get('schema')!r}")
        return cls(
            document_from_json(value["document"]),
            tuple(kernel_from_json(kernel) for kernel in value["kernels"]),
            tuple(tuple(level) for level in value["levels"]),
            value["partitions"],
            value["schedule"],
            value["trigger"],
        )


def compile_plan(document: Document) -> Plan:
    """Compile a read document.

    Raises:
        DocumentError, GraphError: the document has errors; the first one is named.
    """
    _refuse_errors(document)
    dependencies = document.dependencies
    if dependencies is None or not dependencies.kernels:
        where = Where(document.path)
        raise DocumentError("MAML301", "the document has no kernel to run", where=where)
    kernels = list(dependencies.kernels.values())
    number = {kernel.name: index for index, kernel in enumerate(kernels)}
    edges = [(number[p], number[k.name]) for k in kernels for p in k.producers]
    found = topological_levels(len(kernels), [a for a, _ in edges], [b for _, b in edges])
    levels = {kernel.name: found[index] for index, kernel in enumerate(kernels)}
    tags = {k.name: graph.head_tags(k, document.blocks[k.block]) for k in kernels}
    options = {
        k.name: router.candidates(tags[k.name], document.blocks[k.block].language) for k in kernels
    }
    heads = router.spread(options, levels)
    read = {name for kernel in kernels for name in kernel.data_producers}
    finals = [kernel.name for kernel in kernels if kernel.name not in read]
    published = finals[0] if len(finals) == 1 else None
    ordered = [kernels[index] for level in group_levels(found) for index in level]
    specs = tuple(
        _kernel(
            document,
            kernel,
            levels[kernel.name],
            heads[kernel.name],
            tags[kernel.name],
            published=kernel.name == published,
        )
        for kernel in ordered
    )
    return Plan(
        _document(document, partitioned=dependencies.partitions is not None),
        specs,
        tuple(tuple(kernels[index].name for index in level) for level in group_levels(found)),
        dependencies.partitions,
        dependencies.schedule,
        dependencies.trigger,
    )


def load_plan(path: Path, store: Path | None = None) -> Plan:
    """The plan of a document file, compiled once per text and kept as `<store>/<digest>.json`.

    Raises:
        UsageError: the file cannot be read.
        DocumentError, GraphError: it has errors.
    """
    found = path.stat() if path.exists() else None
    stamp = (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
    plan = _loaded(path.absolute(), stamp)
    if store is not None:
        save_plan(plan, store)
    return plan


@lru_cache(maxsize=1024)
def _loaded(path: Path, stamp: tuple[int, int, int] | None) -> Plan:
    del stamp  # part of the cache's key: another text is another plan
    return compile_plan(read_file(path))


def save_plan(plan: Plan, store: Path) -> Path:
    """Write a plan under its digest, atomically; an existing file is left as it is."""
    target = store / f"{plan.digest.removeprefix('sha256:')}.json"
    if not target.exists():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=store, delete=False, encoding="utf-8") as file:
            json.dump(plan.to_json(), file)
        Path(file.name).replace(target)
    return target


def read_plan(digest_: str, store: Path) -> Plan:
    """The plan with that digest.

    Raises:
        FileNotFoundError: it was never saved there.
        ValueError: the file is no plan, or not the one its name says.
    """
    name = digest_.removeprefix("sha256:")
    plan = Plan.from_json(json.loads((store / f"{name}.json").read_text("utf-8")))
    if plan.digest != f"sha256:{name}":
        raise ValueError(f"plan {name} has digest {plan.digest}")
    return plan


def _refuse_errors(document: Document) -> None:
    errors = [d for d in document.diagnostics if d.severity is Severity.ERROR]
    if not errors:
        return
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    kind = GraphError if exit_code(errors) is ExitCode.GRAPH_INVALID else DocumentError
    where = Where(document.path, first.span.line, first.span.column)
    raise kind(first.code, first.message + more, where=where, hint=first.hint)


def _document(document: Document, *, partitioned: bool) -> DocumentSpec:
    front = document.front_matter
    timeout: Any = front.get("timeout_seconds")
    return DocumentSpec(
        path=document.path or "<text>",
        slug=slug(Path(document.path or "document").name),
        id=document.id,
        digest=document.digest,
        title=str(front["title"]) if "title" in front else document.title,
        origin=str(front["origin"]),
        permissions=_permissions(front.get("permissions")),
        requires=_mapping(front.get("requires")),
        encryption=str(front.get("encryption", "none")),
        quantum_security=front.get("quantum_security_flag") is True,
        verification=_mapping(front.get("verification")),
        timeout_s=None if timeout is None else float(timeout),
        context=dict(document.context),
        input_schema=_schema(document.input_schemas, (None,)),
        partitioned=partitioned,
    )


def _kernel(
    document: Document,
    kernel: Kernel,
    level: int,
    heads: tuple[str, ...],
    tags: tuple[str, ...],
    *,
    published: bool,
) -> KernelSpec:
    """`published`: its output is the document's, which the unnamed Output_Schema is of."""
    block = document.blocks[kernel.block]
    feedback: Any = kernel.options.get("feedback")
    interface = document.interfaces.get(kernel.name)
    return KernelSpec(
        name=kernel.name,
        level=level,
        line=kernel.span.line,
        column=kernel.span.column,
        block=_block(block),
        feedback=None if feedback is None else _block(document.blocks[str(feedback["block"])]),
        interface=None if interface is None else digest_of(interface.source),
        inputs=dict(kernel.inputs),
        references=tuple(
            InputReference(r.root, r.path, r.place, r.span.line, r.span.column)
            for r in kernel.references
        ),
        producers=kernel.producers,
        data_producers=kernel.data_producers,
        options=dict(kernel.options),
        heads=heads,
        head_tags=tags,
        input_schema=_schema(document.input_schemas, (kernel.name,)),
        output_schema=_schema(
            document.output_schemas, (kernel.name, None) if published else (kernel.name,)
        ),
        bytes=min(graph.memory_bytes(kernel, _facts(block)) or 0, MAX_INTEGER),
    )


def digest_of(source: str) -> str:
    """SHA-256 of a source between its fences."""
    import hashlib

    return "sha256:" + hashlib.sha256(source.encode()).hexdigest()


def _schema(
    schemas: Mapping[str | None, SchemaFence], names: Iterable[str | None]
) -> Schema | None:
    found: Any = next((schemas[name].schema for name in names if name in schemas), None)
    return found  # type: ignore[no-any-return]  # the reader refuses what is no schema (502)


def _facts(block: Block) -> CodeFacts:
    facts = block.facts
    assert isinstance(facts, CodeFacts)  # noqa: S101 - the reader inspects every block
    return facts


def _block(block: Block) -> BlockSpec:
    facts = _facts(block)
    functions = {name: function.parameters for name, function in facts.functions.items()}
    if facts.entry is not None and facts.entry not in functions:
        functions[facts.entry] = facts.parameters  # a qasm program, a sql query
    return BlockSpec(
        name=block.name,
        language=block.language,
        source=block.source,
        first_line=block.fence.first_line,
        entry=facts.entry,
        functions={name: tuple(p.name for p in found) for name, found in functions.items()},
        required={
            name: tuple(p.name for p in found if p.required) for name, found in functions.items()
        },
        imports=tuple(sorted(facts.imports)),
    )


def _permissions(value: JSONValue) -> dict[str, tuple[str, ...]]:
    found = _mapping(value)
    return {name: tuple(str(item) for item in items) for name, items in found.items()}


def _mapping(value: JSONValue) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
