"""One door to the inspectors of block languages: facts and MAML314 to MAML319 of a block's text.

Nothing is executed and no toolchain is called. The parsers of SQL and OpenQASM are imported only
for such blocks.
"""

from __future__ import annotations

from functools import lru_cache

from chimera_pipelines.maml.code_ocaml import inspect_ocaml
from chimera_pipelines.maml.code_python import inspect_python
from chimera_pipelines.maml.code_qasm import inspect_qasm
from chimera_pipelines.maml.code_records import CodeFacts, FunctionFacts, Parameter
from chimera_pipelines.maml.code_sql import inspect_sql
from chimera_pipelines.maml.diagnostics import Diagnostic
from chimera_pipelines.maml.document import Block

__all__ = ["CodeFacts", "FunctionFacts", "Parameter", "inspect_block"]

_KEPT_SOURCE = 64 * 1024


def inspect_block(
    block: Block, *, extra_imports: frozenset[str] = frozenset()
) -> tuple[CodeFacts, list[Diagnostic]]:
    """What a block's text says of it.

    Args:
        block: python, qiskit, qasm, sql or ocaml.
        extra_imports: module names that the operator adds to those of MAML.md §4.
    """
    if len(block.source) > _KEPT_SOURCE:
        facts, found = _inspect(block, extra_imports)
    else:
        facts, found = _kept(block, extra_imports)
    return facts, list(found)


def _inspect(
    block: Block, extra_imports: frozenset[str]
) -> tuple[CodeFacts, tuple[Diagnostic, ...]]:
    if block.language in ("python", "qiskit"):
        facts, found = inspect_python(block, extra_imports)
    elif block.language == "qasm":
        facts, found = inspect_qasm(block)
    elif block.language == "sql":
        facts, found = inspect_sql(block)
    else:
        facts, found = inspect_ocaml(block)
    return facts, tuple(found)


# Projects are read again and again, and an edit changes few blocks.
_kept = lru_cache(maxsize=256)(_inspect)
