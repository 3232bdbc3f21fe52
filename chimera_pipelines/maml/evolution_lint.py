"""Evolutions as far as the text tells: named inputs, literal Hamiltonians and times."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Block, Kernel
from chimera_pipelines.maml.graph_view import View
from chimera_pipelines.maml.nearest import did_you_mean

_FIELDS = {"hamiltonian": "CHIM770", "time": "CHIM771"}


def named(kernel: Kernel) -> set[str]:
    """Inputs that a kernel's `evolution` names."""
    evolution = kernel.options.get("evolution")
    if not isinstance(evolution, dict):
        return set()
    return {value for name in _FIELDS if isinstance(value := evolution[name], str)}


def lint_evolution(view: View, kernel: Kernel, block: Block) -> Iterator[Diagnostic]:
    """What is wrong with a kernel's `evolution`."""
    evolution = kernel.options.get("evolution")
    if not isinstance(evolution, dict):
        return
    if block.language != "qiskit":
        span = view.option_at(kernel, "evolution")
        message = f"evolution on a {block.language} kernel"
        yield _error("CHIM770", span, message, "only qiskit blocks have one")
        return
    facts = view.facts(block)
    for field, code in _FIELDS.items():
        value = evolution[field]
        span = view.option_at(kernel, "evolution", field)
        if isinstance(value, str):
            if value not in kernel.inputs:
                if view.is_read(kernel, "inputs"):
                    hint = did_you_mean(value, kernel.inputs, "name an input of the kernel")
                    yield _error(code, span, f"'{value}' is no input of the kernel", hint)
                continue
            if any(reference.place[0] == value for reference in kernel.references):
                continue  # known at run time
            span = view.value_at(kernel, "inputs", value)
            value = kernel.inputs[value]
        problem = (
            _time_problem(value)
            if field == "time"
            else _hamiltonian_problem(value, facts.qubits if facts else None)
        )
        if problem:
            yield _error(code, span, problem, None)


def _error(code: str, span: Span, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, span, message, hint)


def _hamiltonian_problem(value: JSONValue, width: int | None) -> str | None:
    pieces = value if isinstance(value, list) else [value]
    if not all(isinstance(piece, dict) and piece for piece in pieces):
        return "a Hamiltonian is an object of Pauli strings and real coefficients"
    strings = [item for piece in pieces if isinstance(piece, dict) for item in piece.items()]
    expected = width if isinstance(width, int) else len(strings[0][0])
    problems = (_string_problem(string, c, expected) for string, c in strings)
    return next((problem for problem in problems if problem), None)


def _string_problem(string: str, coefficient: JSONValue, width: int) -> str | None:
    if not string or not set(string) <= set("IXYZ"):
        return f"'{string}' is no Pauli string of the letters IXYZ"
    if len(string) != width:
        return f"Pauli string '{string}' for {width} qubits"
    if isinstance(coefficient, list | dict):
        return f"coefficient of '{string}' is complex: the sum would not be Hermitian"
    return (
        None if _is_number(coefficient) else f"coefficient of '{string}' is no finite real number"
    )


def _time_problem(value: JSONValue) -> str | None:
    times = value if isinstance(value, list) else [value]
    if times and all(_is_number(time) for time in times):
        return None
    return "the time is no finite number, nor a list of such"


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
