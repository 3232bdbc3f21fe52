"""What only the whole document tells of its graph (MAML.md §3, §7).

Each rule is a function of the same `View`; a rule says nothing where the document was not read.
Parameters (408) and contracts (407, 432, 5xx, 6xx) have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chimera_pipelines.contracts.permissions import may_read
from chimera_pipelines.maml import contract_lint, graph, parameter_lint
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.document import Block, Document, Kernel
from chimera_pipelines.maml.embedding_lint import lint_embedding
from chimera_pipelines.maml.evolution_lint import lint_evolution
from chimera_pipelines.maml.graph_view import View

# One H200 (MAML.md §3): what `chimera check` measures a state against.
HEAD_BYTES: Final = 141_000_000_000
_RESOURCES: Final = frozenset({"qiskit", "pytorch", "cuda", "qec"})
_NAMES_A_BLOCK: Final = ("block", "feedback")
_SHOWN_STEPS: Final = 12
_COUNTED_METHODS: Final = frozenset({"statevector", "density_matrix"})


def lint_graph(draft: Document) -> list[Diagnostic]:
    """All findings that need the graph, and MAML504; without kernels nothing of the graph.

    Args:
        draft: the document with everything read; its `diagnostics` are those found so far.
    """
    defaults = list(contract_lint.lint_defaults(draft.input_schemas))
    if draft.dependencies is None:
        return defaults
    view = View(draft, draft.dependencies)
    found = [*defaults, *_cycles(view), *_unused_blocks(view)]
    for kernel in view.kernels.values():
        block = draft.blocks.get(kernel.block)
        found += _critical(view, kernel)
        found += _resources_permitted(view, kernel)
        if block is not None:
            found += _heads(view, kernel, block)
            found += lint_embedding(view, kernel, block)
            found += lint_evolution(view, kernel, block)
            found += _memory(kernel, block)
    return [*found, *parameter_lint.lint(view), *contract_lint.lint(view)]


def _cycles(view: View) -> Iterator[Diagnostic]:
    for cycle in graph.cycles(view.kernels):
        yield Diagnostic(
            "MAML405",
            Severity.ERROR,
            view.kernels[cycle[0]].span,
            f"cycle: {_shown(cycle)}",
            "iteration is 'feedback', not a cycle",
        )


def _shown(cycle: tuple[str, ...]) -> str:
    if len(cycle) <= _SHOWN_STEPS:
        return " -> ".join(cycle)
    half = _SHOWN_STEPS // 2
    left_out = f"({len(cycle) - 2 * half} more)"
    return " -> ".join([*cycle[:half], left_out, *cycle[-half:]])


def _unused_blocks(view: View) -> Iterator[Diagnostic]:
    kernels = view.kernels.values()
    used = {kernel.block for kernel in kernels}
    for kernel in kernels:
        feedback = kernel.options.get("feedback")
        if isinstance(feedback, dict):
            used.add(str(feedback.get("block")))
    if any(not view.is_read(kernel, option) for kernel in kernels for option in _NAMES_A_BLOCK):
        return  # what was refused may have named any block
    for name, block in view.draft.blocks.items():
        if name not in used:
            yield Diagnostic(
                "MAML316",
                Severity.WARNING,
                block.fence.span,
                f"no kernel uses block '{name}'",
                "remove it, or add a kernel",
            )


def _critical(view: View, kernel: Kernel) -> Iterator[Diagnostic]:
    if kernel.options.get("critical") is not True:
        return
    for name in kernel.producers:
        producer = view.kernels.get(name)
        if producer is not None and producer.options.get("critical") is not True:
            message = f"critical '{kernel.name}' waits for '{name}', which is not"
            yield Diagnostic("MAML414", Severity.INFO, kernel.span, message, subject=name)


def _resources_permitted(view: View, kernel: Kernel) -> Iterator[Diagnostic]:
    """MAML704. Only a whole input is opened; a URI deeper inside is a text."""
    read = view.permissions("read")
    if read is None:
        return
    for name, value in kernel.inputs.items():
        opened = isinstance(value, str) and value.startswith(("dataset://", "document://"))
        if opened and not may_read(read, str(value)):
            yield Diagnostic(
                "MAML704",
                Severity.ERROR,
                view.value_at(kernel, "inputs", name),
                f"read does not permit '{value}'",
                "add it to permissions.read",
            )


def _heads(view: View, kernel: Kernel, block: Block) -> Iterator[Diagnostic]:
    if "head" not in kernel.options and not view.is_read(kernel, "head"):
        return
    tags = graph.head_tags(kernel, block)
    if not graph.candidate_heads(tags, block):
        yield Diagnostic(
            "MAML410",
            Severity.ERROR,
            view.option_at(kernel, "head"),
            f"no head can be {_and(tags)} and run the {block.language} kernel '{kernel.name}'",
            "qiskit is HEAD_1 and HEAD_2, pytorch is HEAD_3 and HEAD_4",
            subject=kernel.name,
        )
    declared = view.declared_resources()
    if declared is None:
        return
    for number, tag in enumerate(tags):
        if tag in _RESOURCES and tag not in declared:
            in_head = "head" in kernel.options
            yield Diagnostic(
                "MAML411",
                Severity.ERROR,
                view.option_at(kernel, "head", number) if in_head else kernel.span,
                f"tag '{tag}' is not in requires.resources",
                f"add '{tag}' to requires.resources"
                if declared
                else f"write 'requires: {{resources: [{tag}]}}' in the front matter",
                subject=tag,
            )


def _and(tags: tuple[str, ...]) -> str:
    return " and ".join(f"'{tag}'" for tag in tags)


def _memory(kernel: Kernel, block: Block) -> Iterator[Diagnostic]:
    backend = kernel.options.get("backend")
    method = backend.get("method") if isinstance(backend, dict) else None
    facts = View.facts(block)
    needed = graph.memory_bytes(kernel, facts) if facts is not None else None
    if needed is not None and method in _COUNTED_METHODS and needed > HEAD_BYTES:
        yield Diagnostic(
            "MAML413",
            Severity.ERROR,
            kernel.span,
            f"{method} of {facts.qubits if facts else None} qubits is {_size(needed)}; "
            f"the largest head has {_size(HEAD_BYTES)}",
            "use matrix_product_state or stabilizer, or fewer qubits",
        )


def _size(number: int) -> str:
    exponent = number.bit_length() - 1
    gib = 30
    return f"2^{exponent} bytes" if exponent >= 2 * gib else f"{number >> gib} GiB"
