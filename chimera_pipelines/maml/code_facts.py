"""One door to the inspectors of block languages: facts and MAML314 to MAML319 of a block's text.

Nothing is executed and no toolchain is called. The parsers of SQL and OpenQASM are imported only
for such blocks.
"""

from __future__ import annotations

from chimera_pipelines.maml.code_ocaml import inspect_ocaml
from chimera_pipelines.maml.code_python import inspect_python
from chimera_pipelines.maml.code_qasm import inspect_qasm
from chimera_pipelines.maml.code_records import CodeFacts, FunctionFacts, Parameter
from chimera_pipelines.maml.code_sql import inspect_sql
from chimera_pipelines.maml.diagnostics import Diagnostic
from chimera_pipelines.maml.document import Block

__all__ = ["CodeFacts", "FunctionFacts", "Parameter", "inspect_block"]


def inspect_block(
    block: Block, *, extra_imports: frozenset[str] = frozenset()
) -> tuple[CodeFacts, list[Diagnostic]]:
    """What a block's text says of it.

    Args:
        block: python, qiskit, qasm, sql or ocaml.
        extra_imports: module names that the operator adds to those of MAML.md §4.
    """
    if block.language in ("python", "qiskit"):
        return inspect_python(block, extra_imports)
    if block.language == "qasm":
        return inspect_qasm(block)
    if block.language == "sql":
        return inspect_sql(block)
    return inspect_ocaml(block)
