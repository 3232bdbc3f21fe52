"""What the linter learns from a block's source without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Block


class Binding(StrEnum):
    """How a parameter takes its argument. Only `keyword` can be called by name (MAML.md §4)."""

    KEYWORD = "keyword"
    POSITIONAL = "positional"
    VARIADIC = "variadic"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name that code asks for; `span` is in document coordinates."""

    name: str
    required: bool
    span: Span
    binding: Binding = Binding.KEYWORD


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A plain top-level function of a python or qiskit block.

    `returns` are the keys of what it returns, when every `return` is a literal mapping.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """Facts of one block.

    Attributes:
        entry: what phase 3 starts: a function of python and qiskit blocks, `run` of ocaml,
            `program` of qasm, `select` of sql; None where there is none (MAML315) or the block does
            not parse.
        functions: plain top-level functions by name, private ones included.
        imports: first names of imported modules, those inside functions too.
        qubits: width as far as literals tell.
        parsed: false after MAML314; then nothing else here is known.
        tables: inputs that a sql block reads as tables.
        parameters: `:name` of sql, `input` declarations of qasm.
    """

    entry: str | None = None
    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    imports: frozenset[str] = frozenset()
    qubits: int | None = None
    parsed: bool = True
    tables: tuple[Parameter, ...] = ()
    parameters: tuple[Parameter, ...] = ()


UNPARSED = CodeFacts(parsed=False)


def no_entry(block: Block, message: str, hint: str) -> Diagnostic:
    """MAML315 at the fence."""
    return Diagnostic("MAML315", Severity.ERROR, block.fence.span, message, hint, fixable=True)


def forbidden(span: Span, what: str, hint: str | None = None) -> Diagnostic:
    """MAML317 for one named thing."""
    return Diagnostic("MAML317", Severity.ERROR, span, what, hint, subject=what)


def unreadable(block: Block, line: int, column: int, message: str) -> Diagnostic:
    """MAML314 at a 1-based place within the block, kept inside the block's lines."""
    last = block.source.count("\n") + 1
    row = min(max(line, 1), last)
    span = Span.at(block.fence.first_line + row - 1, max(column, 1) if row == line else 1)
    return Diagnostic("MAML314", Severity.ERROR, span, f"{block.language}: {message}")
