"""Records of a read document. Every part knows its place in the text.

Text is what the reader saw: one BOM dropped, CRLF read as LF (MAML.md §1); spans refer to it.
Values of YAML and JSON fences come as plain JSON values together with `Places`, which tells where
each key and value stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Span

Path: TypeAlias = tuple[str | int, ...]
Language: TypeAlias = Literal["python", "qiskit", "qasm", "sql", "ocaml"]
LANGUAGES: tuple[Language, ...] = ("python", "qiskit", "qasm", "sql", "ocaml")


@dataclass(frozen=True, slots=True)
class Places:
    """Where keys and values of one mapping stand: `keys[path]` and `values[path]` are spans.

    A path is the keys and list indices from the top, `()` being the whole.
    """

    keys: Mapping[Path, Span] = field(default_factory=dict)
    values: Mapping[Path, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: `span` is its opening line, `source` the lines between, joined by LF.

    `first_line` is the line number of the first source line; `info` the info string as written.
    """

    info: str
    language: str
    name: str | None
    source: str
    span: Span
    first_line: int
    language_span: Span
    name_span: Span | None


@dataclass(frozen=True, slots=True)
class Section:
    """A `##` section: canonical name for reserved ones, its heading's span, text and fences."""

    name: str
    heading: Span
    text: str
    first_line: int
    fences: tuple[Fence, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of `## Code_Blocks` (an unnamed single one is `main`)."""

    name: str
    language: Language
    source: str
    fence: Fence
    facts: object = None


@dataclass(frozen=True, slots=True)
class Reference:
    """`$root.path` inside a kernel's inputs. `root` is a kernel, `input`, `context`, `partition`.

    `path` holds names and list indices after the root; `place` is where in `inputs` it stands.
    """

    root: str
    path: Path
    place: Path
    span: Span


@dataclass(frozen=True, slots=True)
class Kernel:
    """A node of the graph: its block, inputs as written, references in them and own options.

    `options` are those that stand in the kernel itself or in `defaults`, as written, except
    `block`, `needs` and `inputs`. `inputs` keep `$…` texts as written; `references` are parsed.
    """

    name: str
    block: str
    needs: tuple[str, ...]
    inputs: Mapping[str, JSONValue]
    references: tuple[Reference, ...]
    options: Mapping[str, JSONValue]
    span: Span
    bound_implicitly: bool = False

    @property
    def producers(self) -> tuple[str, ...]:
        """Kernels that this one waits for, in order of first mention, data before `needs`."""
        roots = [r.root for r in self.references if r.root not in ("input", "context", "partition")]
        return tuple(dict.fromkeys([*roots, *self.needs]))

    @property
    def data_producers(self) -> tuple[str, ...]:
        """Kernels whose outputs this one reads."""
        return tuple(
            dict.fromkeys(
                r.root for r in self.references if r.root not in ("input", "context", "partition")
            )
        )


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The compiled `## Dependencies` section (or the implicit one, `implicit`).

    `places` are those of the whole mapping; `unread` are paths in it whose value was refused
    (MAML403) and therefore left out of `kernels`.
    """

    kernels: Mapping[str, Kernel]
    partitions: Mapping[str, JSONValue] | None = None
    schedule: Mapping[str, JSONValue] | None = None
    trigger: Mapping[str, JSONValue] | None = None
    implicit: bool = False
    places: Places = field(default_factory=Places)
    unread: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema of Input_Schema or Output_Schema; `kernel` None is the document's own."""

    kernel: str | None
    schema: JSONValue
    fence: Fence


@dataclass(frozen=True, slots=True)
class Document:
    """A read document. With errors in `diagnostics` some parts may be absent.

    Attributes:
        path: as given, for messages; None for a bare text.
        text: the text as read, History included.
        body_bytes: every byte before the `## History` line, as MAML.md §8 hashes it (`doc`).
        digest: `sha256:` of `body_bytes`.
        front_matter: the mapping with values as JSON; defaults of the schema are not written in.
        inputs_schemas, output_schemas: by kernel name; key None is the document's.
        interfaces: `## Verification` blocks by kernel name.
        diagnostics: ordered; see `diagnostics.exit_code`.
        unread: names of front matter fields (`front_matter` being all of them), `context` and
            `dependencies`, as far as they could not be read; nothing is said that needs them.
    """

    path: str | None
    text: str
    body_bytes: bytes
    digest: str
    front_matter: Mapping[str, JSONValue]
    front_places: Places
    title: str | None
    sections: tuple[Section, ...]
    context: Mapping[str, JSONValue]
    blocks: Mapping[str, Block]
    dependencies: Dependencies | None
    input_schemas: Mapping[str | None, Schema]
    output_schemas: Mapping[str | None, Schema]
    interfaces: Mapping[str, Fence]
    diagnostics: tuple[Diagnostic, ...]
    unread: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The document's `urn:uuid:…`."""
        return str(self.front_matter["id"])
