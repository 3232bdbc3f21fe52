"""Kernels of `## Dependencies`, one by one: names, blocks, edges, feedback (MAML.md §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml import references
from chimera_pipelines.maml.code_records import CodeFacts, Parameter
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Block, Kernel, Path, Places, Reference, Section
from chimera_pipelines.maml.identifiers import RESERVED
from chimera_pipelines.maml.nearest import did_you_mean

CALLED_IN_QISKIT = ("circuit", "observable", "post")
_OPTIONS = frozenset(
    {"head", "embedding", "shots", "seed", "backend", "feedback", "encryption", "critical"}
    | {"evolution", "timeout", "retries"}
)


def called_parameters(facts: CodeFacts, language: str) -> Iterator[Parameter]:
    """Everything that a block asks its kernel for."""
    yield from facts.tables
    yield from facts.parameters
    if facts.entry is not None:
        names = CALLED_IN_QISKIT if language == "qiskit" else (facts.entry,)
        for name in names:
            if name in facts.functions:
                yield from facts.functions[name].parameters


def asked_names(block: Block) -> list[str]:
    """Names of what a block asks for, each once, in order."""
    if not isinstance(block.facts, CodeFacts):
        return []
    asked = called_parameters(block.facts, block.language)
    return list(dict.fromkeys(parameter.name for parameter in asked))


class KernelReader:
    """All kernels of one mapping; `found` grows while they are read.

    Args:
        written: the value of `kernels`.
        defaults: the value of `defaults`.
        places: of the whole Dependencies mapping.
        unread: paths that the schema refused.
        blocks: code blocks by name.
        code: `## Code_Blocks`, None when it is missing.
        partitioned: whether the document has partitions.
    """

    def __init__(
        self,
        written: Mapping[str, JSONValue],
        defaults: Mapping[str, JSONValue],
        places: Places,
        unread: frozenset[Path],
        *,
        blocks: Mapping[str, Block],
        code: Section | None,
        partitioned: bool,
    ) -> None:
        self._written = written
        self._places = places
        self._unread = unread
        self._touched = {path[:n] for path in unread for n in range(2, len(path) + 1)}
        self._blocks = blocks
        self._partitioned = partitioned
        self._start = places.values.get((), Span.at(1, 1))
        # A fence that is no block has an error of its own; a kernel may mean it.
        fences = code.fences if code is not None else ()
        taken = {id(block.fence) for block in blocks.values()}
        self._spoilt = {fence.name for fence in fences if id(fence) not in taken}
        self._blocks_known = code is not None and None not in self._spoilt
        self._defaults = self._options(("defaults",), defaults)
        self.found: list[Diagnostic] = []

    def read(self) -> dict[str, Kernel]:
        """Kernels by name, in the order of the text."""
        return {name: self._kernel(name) for name in self._written}

    def _kernel(self, name: str) -> Kernel:
        path: Path = ("kernels", name)
        value = self._written[name]
        options: dict[str, Any] = value if isinstance(value, dict) else {}
        key = self._places.keys.get(path, self._start)
        if name in RESERVED:
            self._error("MAML416", key, f"kernel name '{name}' is reserved", "take another name")
        inputs = options.get("inputs")
        inputs = inputs if isinstance(inputs, dict) else {}
        kernel = Kernel(
            name=name,
            block=self._block(name, path, options, key),
            needs=tuple(self._needs(path, options)),
            inputs=inputs,
            references=tuple(self._references(path, inputs)),
            options={**self._defaults, **self._options(path, options)},
            span=key,
        )
        self._feedback(path, kernel)
        return kernel

    def _error(self, code: str, span: Span, message: str, hint: str | None = None) -> None:
        self.found.append(Diagnostic(code, Severity.ERROR, span, message, hint, subject=message))

    def _at(self, path: Path) -> Span:
        return self._places.values.get(path, self._start)

    def _options(self, path: Path, value: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        return {
            option: item
            for option, item in value.items()
            if option in _OPTIONS and (*path, option) not in self._touched
        }

    def _block(self, name: str, path: Path, options: Mapping[str, Any], key: Span) -> str:
        written = options.get("block")
        if "block" not in options:
            self._check_block(name, key)
            return name
        at = (*path, "block")
        if not isinstance(written, str) or at in self._unread:
            return name
        self._check_block(written, self._at(at))
        return written

    def _check_block(self, name: str, span: Span) -> bool:
        if name in self._blocks:
            return True
        if self._blocks_known and name not in self._spoilt:
            hint = did_you_mean(name, self._blocks, "name a block of '## Code_Blocks'")
            self._error("MAML406", span, f"no block '{name}'", hint)
        return False

    def _needs(self, path: Path, options: Mapping[str, Any]) -> Iterator[str]:
        needs = options.get("needs")
        for number, name in enumerate(needs if isinstance(needs, list) else []):
            at = (*path, "needs", number)
            if at in self._unread:
                continue
            if self._known(name, self._at(at)):
                yield name

    def _known(self, name: str, span: Span) -> bool:
        if name in self._written:
            return True
        hint = did_you_mean(name, self._written)
        self._error("MAML404", span, f"unknown kernel '{name}'", hint)
        return False

    def _references(self, path: Path, inputs: Mapping[str, JSONValue]) -> Iterator[Reference]:
        for name in inputs:
            if name in RESERVED:
                span = self._places.keys.get((*path, "inputs", name), self._start)
                self._error("MAML416", span, f"input name '{name}' is reserved", "take another")
        for place, text in references.scalars(inputs):
            span = self._at((*path, "inputs", *place))
            try:
                parsed = references.parse(text)
            except references.ReferenceSyntaxError as error:
                self._error("MAML409", span, str(error), "write '$$' for a leading dollar")
                continue
            if parsed.root == references.PARTITION and not self._partitioned:
                hint = "add 'partitions' to '## Dependencies'"
                self._error("MAML409", span, "the document has no partitions", hint)
            elif parsed.root in references.NOT_KERNELS or self._known(parsed.root, span):
                yield Reference(parsed.root, parsed.path, place, span)

    def _feedback(self, path: Path, kernel: Kernel) -> None:
        """What the schema cannot know: qiskit kernels only, a python block, names of inputs."""
        feedback = kernel.options.get("feedback")
        at = (*path, "feedback")
        if not isinstance(feedback, dict):
            return
        block = self._blocks.get(kernel.block)
        if block is not None and block.language != "qiskit":
            self._error("MAML403", self._at(at), f"feedback of a {block.language} kernel")
            return
        name = str(feedback["block"])
        found = self._check_block(name, self._at((*at, "block")))
        if found and self._blocks[name].language != "python":
            text = f"feedback block '{name}' is no python block"
            self._error("MAML406", self._at((*at, "block")), text)
        carry = feedback["carry"]
        for number, carried in enumerate(carry if isinstance(carry, list) else ()):
            if carried not in kernel.inputs and (*path, "inputs") not in self._unread:
                text = f"carried name '{carried}' is no input"
                self._error("MAML403", self._at((*at, "carry", number)), text)
