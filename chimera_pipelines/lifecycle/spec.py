"""What a run needs to know of a compiled document: its front and its kernels, as plain data.

`scheduling.plan` makes these records from a read document; the phases only read them. They are
JSON throughout (`to_json`, `from_json`), so that a code server, a run worker and a head process can
share one plan file instead of reading the document again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeAlias

from chimera_pipelines.digest import MAX_INTEGER, JSONValue
from chimera_pipelines.maml.graph import AI_HEADS
from chimera_pipelines.quantum.budget import Shots, shots_from_json

HeadKind: TypeAlias = Literal["quantum", "ai"]
Schema: TypeAlias = "dict[str, Any] | bool"

# MAML.md §8: of a kernel's options these, as far as they stand in the document, enter `in`.
HASHED_OPTIONS = ("shots", "backend", "embedding", "evolution", "feedback")

DEFAULT_SHOTS = 1024
DEFAULT_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class InputReference:
    """`$root.path` at `place` inside a kernel's inputs, and where it stands in the document."""

    root: str
    path: tuple[str | int, ...]
    place: tuple[str | int, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """The source of one block: `functions` maps a public function to its parameter names.

    `required` names, of each function's parameters, those without a Python default.
    """

    name: str
    language: str
    source: str
    first_line: int
    entry: str | None
    functions: Mapping[str, tuple[str, ...]]
    required: Mapping[str, tuple[str, ...]]
    imports: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the source between the fences (MAML.md §8)."""
        return "sha256:" + hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """One node of the graph, ready to run.

    Attributes:
        level: topological level, 0 for kernels that wait for nothing.
        line, column: of the kernel's key in the document.
        producers: kernels that it waits for; `data_producers` those whose outputs it reads.
        options: the kernel's own and the document's defaults, as written.
        heads: ids of heads that may run it, best first; `kind` is that of all of them, or None.
        bytes: memory of the state vector that the linter computed, 0 when unknown; what no plan
            can print is 2^53 - 1.
    """

    name: str
    level: int
    line: int
    column: int
    block: BlockSpec
    feedback: BlockSpec | None
    interface: str | None
    inputs: Mapping[str, JSONValue]
    references: tuple[InputReference, ...]
    producers: tuple[str, ...]
    data_producers: tuple[str, ...]
    options: Mapping[str, Any]
    heads: tuple[str, ...]
    head_tags: tuple[str, ...]
    input_schema: Schema | None
    output_schema: Schema | None
    bytes: int

    @property
    def shots(self) -> Shots:
        """Shots a circuit, or a budget of them; None when exact."""
        return shots_from_json(self.options.get("shots", DEFAULT_SHOTS))

    @property
    def timeout_s(self) -> float:
        """Wall clock of one attempt, in seconds."""
        return float(self.options.get("timeout", DEFAULT_TIMEOUT_S))

    @property
    def retries(self) -> int:
        """Further attempts after MAML902 and MAML903."""
        return int(self.options.get("retries", 0))

    @property
    def critical(self) -> bool:
        """Whether its failure stops the whole run at once."""
        return bool(self.options.get("critical", False))

    @property
    def learns(self) -> bool:
        """Whether its feedback block imports torch, itself or by what it calls of `blocks`."""
        return self.feedback is not None and "torch" in self.feedback.imports

    @property
    def feedback_heads(self) -> tuple[str, ...]:
        """Ids of the AI heads that may run its feedback block; none when that does not learn."""
        return AI_HEADS if self.learns else ()

    @property
    def work(self) -> str:
        """Kind of work: equal for kernels of the same code, whose durations compare."""
        return f"{self.block.language}:{self.block.digest.removeprefix('sha256:')[:12]}"

    @property
    def is_wider(self) -> bool:
        """Whether its circuits have more than `qubits` qubits: a plan's integers end at 2^53."""
        return self.bytes == MAX_INTEGER

    @property
    def qubits(self) -> int | None:
        """Width of its circuits, as far as `bytes` tells it."""
        backend = self.options.get("backend", {})
        amplitude = 3 if backend.get("precision") == "single" else 4
        levels = self.bytes.bit_length() - 1 - amplitude
        if self.bytes == 0:
            return None
        return levels // 2 if backend.get("method") == "density_matrix" else levels

    def encryption(self, document: str) -> str:
        """Effective encryption of its artefacts; `document` is the front matter's."""
        return str(self.options.get("encryption", document))

    def seed(self, document_id: str, partition: str | None) -> int:
        """The option `seed`, or the default of MAML.md §4, so that a rerun is the same run."""
        if "seed" in self.options:
            return int(self.options["seed"])
        text = f"{document_id}\n{self.name}\n{partition or ''}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """The document of a plan. `digest` is `doc` of MAML.md §8; `path` where its History is kept.

    `quantum_security` is its `quantum_security_flag`.
    """

    path: str
    slug: str
    id: str
    digest: str
    title: str | None
    origin: str
    permissions: Mapping[str, tuple[str, ...]]
    requires: Mapping[str, Any]
    encryption: str
    verification: Mapping[str, Any]
    timeout_s: float | None
    context: Mapping[str, JSONValue]
    input_schema: Schema | None
    partitioned: bool
    quantum_security: bool = False


def to_json(record: Any) -> Any:
    """A spec, or a tuple, mapping or scalar of them, as plain JSON."""
    if record is None or isinstance(record, str | int | float):
        return record
    if is_dataclass(record):
        return {f.name: to_json(getattr(record, f.name)) for f in fields(record)}
    if isinstance(record, Mapping):
        return {str(key): to_json(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_json(item) for item in record]
    return record


def document_from_json(value: Mapping[str, Any]) -> DocumentSpec:
    """The inverse of `to_json` for a document."""
    permissions = {key: tuple(items) for key, items in value["permissions"].items()}
    return DocumentSpec(**{**value, "permissions": permissions})


def kernel_from_json(value: Mapping[str, Any]) -> KernelSpec:
    """The inverse of `to_json` for a kernel."""
    references = tuple(
        InputReference(r["root"], tuple(r["path"]), tuple(r["place"]), r["line"], r["column"])
        for r in value["references"]
    )
    lists = {
        name: tuple(value[name]) for name in ("producers", "data_producers", "heads", "head_tags")
    }
    feedback = value["feedback"]
    return KernelSpec(
        **{
            **value,
            **lists,
            "references": references,
            "block": _block(value["block"]),
            "feedback": None if feedback is None else _block(feedback),
        }
    )


def _block(value: Mapping[str, Any]) -> BlockSpec:
    functions = {name: tuple(items) for name, items in value["functions"].items()}
    required = {name: tuple(items) for name, items in value["required"].items()}
    return BlockSpec(
        **{
            **value,
            "functions": functions,
            "required": required,
            "imports": tuple(value["imports"]),
        }
    )
