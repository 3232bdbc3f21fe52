"""Parameters and inputs (MAML.md §4, MAML408): what code asks for, what the kernel supplies.

Asked for and not supplied is an error, supplied and not asked for a warning at the input's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chimera_pipelines.maml import evolution_lint
from chimera_pipelines.maml.code_records import Binding, CodeFacts, Parameter
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.document import Block, Kernel
from chimera_pipelines.maml.graph_view import View
from chimera_pipelines.maml.kernel_reader import called_parameters

_RESULTS: Final = ("counts", "probabilities", "expectation")


def lint(view: View) -> Iterator[Diagnostic]:
    """MAML408 of all kernels."""
    for kernel in view.kernels.values():
        block = view.draft.blocks.get(kernel.block)
        facts = view.facts(block)
        if block is None or facts is None or not view.is_read(kernel, "inputs"):
            continue
        yield from _unbindable(called_parameters(facts, block.language))
        if view.is_read(kernel, "feedback") and view.is_read(kernel, "shots"):
            yield from _not_supplied(view, kernel, block, facts)
            yield from _feedback(view, kernel, facts)
        if not kernel.bound_implicitly:
            yield from _not_used(view, kernel, block, facts)


def _unbindable(parameters: Iterator[Parameter]) -> Iterator[Diagnostic]:
    what = {
        Binding.VARIADIC: "takes any number of arguments",
        Binding.POSITIONAL: "is positional-only",
    }
    for parameter in parameters:
        if parameter.binding in what:
            yield Diagnostic(
                "MAML408",
                Severity.ERROR,
                parameter.span,
                f"parameter '{parameter.name}' {what[parameter.binding]}",
                "functions are called by keyword: name each parameter",
                subject=parameter.name,
            )


def _always(view: View, kernel: Kernel) -> set[str]:
    """Names that every function of the kernel may ask for."""
    names = {*kernel.inputs, "seed", "shots"}
    if view.dependencies.partitions is not None or ("partitions",) in view.unread:
        names.add("partition")
    if "feedback" in kernel.options:
        names.add("iteration")
    return names


def _result_name(kernel: Kernel, facts: CodeFacts) -> str:
    """What a qiskit kernel measures: expectation values, probabilities or counts."""
    if "observable" in facts.functions:
        return "expectation"
    return "probabilities" if kernel.options.get("shots") == "exact" else "counts"


def _results(kernel: Kernel, facts: CodeFacts) -> set[str]:
    """What `post` may ask for: the result, its standard error, the evolution's report."""
    name = _result_name(kernel, facts)
    evolution = {"evolution"} & set(kernel.options)
    sampled = name == "expectation" and kernel.options.get("shots") != "exact"
    return evolution | ({name, "error"} if sampled else {name})


def _not_supplied(
    view: View, kernel: Kernel, block: Block, facts: CodeFacts
) -> Iterator[Diagnostic]:
    if block.language == "qasm":
        yield from _missing(kernel, facts.parameters, set(kernel.inputs))
        return
    if block.language == "sql":
        given = _always(view, kernel) - {"shots", "iteration"} | set(kernel.inputs)
        yield from _missing(kernel, facts.tables, set(kernel.inputs))
        yield from _missing(kernel, facts.parameters, given)
        return
    names = _always(view, kernel)
    for parameter in called_parameters(facts, block.language):
        post = facts.functions.get("post")
        in_post = block.language == "qiskit" and post is not None and parameter in post.parameters
        extra = _results(kernel, facts) if in_post else set()
        if not view.is_read(kernel, "evolution"):  # it is asked for, and has its own error
            extra |= {"evolution"}
        yield from _missing(kernel, (parameter,), names | extra)


def _feedback(view: View, kernel: Kernel, facts: CodeFacts) -> Iterator[Diagnostic]:
    """A feedback block also gets what the pass returned."""
    block = view.feedback_block(kernel)
    own = view.facts(block)
    if block is None or own is None or block.language != "python":
        return
    yield from _unbindable(called_parameters(own, block.language))
    returned = {_result_name(kernel, facts)}
    if "post" in facts.functions:
        literal = facts.functions["post"].returns
        if literal is None:
            return  # only the run tells
        returned = set(literal)
    names = _always(view, kernel) | returned
    for parameter in called_parameters(own, block.language):
        yield from _missing(kernel, (parameter,), names)


def _missing(
    kernel: Kernel, parameters: tuple[Parameter, ...], names: set[str]
) -> Iterator[Diagnostic]:
    for parameter in parameters:
        bindable = parameter.required and parameter.binding is Binding.KEYWORD
        if bindable and parameter.name not in names:
            yield Diagnostic(
                "MAML408",
                Severity.ERROR,
                parameter.span,
                f"kernel '{kernel.name}' does not supply '{parameter.name}'",
                f"add '{parameter.name}' to its inputs",
                subject=f"{kernel.name} {parameter.name}",
            )


def _not_used(view: View, kernel: Kernel, block: Block, facts: CodeFacts) -> Iterator[Diagnostic]:
    used = _used(view, kernel, block, facts)
    if used is None:
        return
    for name in kernel.inputs:
        if name not in used:
            yield Diagnostic(
                "MAML408",
                Severity.WARNING,
                view.key_at(kernel, "inputs", name),
                f"input '{name}' is not used",
                f"remove it, or take it as a parameter of block '{block.name}'",
            )


def _used(view: View, kernel: Kernel, block: Block, facts: CodeFacts) -> set[str] | None:
    """Names that some part of the kernel takes; None when that is not known."""
    if block.language == "ocaml" or facts.entry is None:
        return None
    if not all(view.is_read(kernel, name) for name in ("embedding", "evolution", "feedback")):
        return None
    asked = list(called_parameters(facts, block.language))
    used: set[str] = set()
    embedding, feedback = kernel.options.get("embedding"), kernel.options.get("feedback")
    if isinstance(embedding, dict):
        used.add(str(embedding["features"]))
    used |= evolution_lint.named(kernel)
    if isinstance(feedback, dict):
        carry = feedback["carry"]
        used |= {str(name) for name in carry} if isinstance(carry, list) else set()
        own = view.facts(view.feedback_block(kernel))
        if own is None or own.entry is None:
            return None
        asked += called_parameters(own, "python")
    if any(parameter.binding is not Binding.KEYWORD for parameter in asked):
        return None
    return used | {parameter.name for parameter in asked}
