"""Embeddings as far as the text tells (MAML.md §3, MAML412)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Block, Kernel
from chimera_pipelines.maml.graph_view import View
from chimera_pipelines.maml.nearest import did_you_mean


def lint_embedding(view: View, kernel: Kernel, block: Block) -> Iterator[Diagnostic]:
    """What is wrong with a kernel's `embedding`."""
    embedding = kernel.options.get("embedding")
    if not isinstance(embedding, dict):
        return
    if block.language != "qiskit":
        span = view.option_at(kernel, "embedding")
        yield _error(span, f"embedding on a {block.language} kernel", "only qiskit blocks have one")
        return
    name = str(embedding["features"])
    if name not in kernel.inputs:
        if view.is_read(kernel, "inputs"):
            hint = did_you_mean(name, kernel.inputs, "name an input of the kernel")
            yield _error(view.option_at(kernel, "embedding", "features"), _no_input(name), hint)
        return
    facts = view.facts(block)
    width = embedding.get("qubits") or (facts.qubits if facts else None)
    problem = _literal_problem(kernel, name, embedding, width if isinstance(width, int) else None)
    if problem:
        yield _error(view.value_at(kernel, "inputs", name), problem, None)


def _error(span: Span, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic("MAML412", Severity.ERROR, span, message, hint)


def _no_input(name: str) -> str:
    return f"'{name}' is no input of the kernel"


def _literal_problem(
    kernel: Kernel, name: str, embedding: Mapping[str, JSONValue], width: int | None
) -> str | None:
    """Why literal features cannot be embedded; values that come at run time are judged there."""
    if any(reference.place[0] == name for reference in kernel.references):
        return None
    value = kernel.inputs[name]
    if isinstance(value, str):
        return None  # a resource, or a reference with an error of its own
    if not isinstance(value, list) or not value:
        return f"'{name}' is no list of numbers"
    rows = value if all(isinstance(row, list) for row in value) else [value]
    for row in rows:
        problem = _row_problem(name, row, embedding, width)
        if problem:
            return problem
    return None


def _row_problem(
    name: str, row: JSONValue, embedding: Mapping[str, JSONValue], width: int | None
) -> str | None:
    method = embedding.get("method")
    allowed = _is_amplitude if method == "amplitude" else _is_number
    if not isinstance(row, list) or not row or not all(allowed(x) for x in row):
        return f"'{name}' is no list of numbers, nor a list of such lists"
    numbers = [x.values() if isinstance(x, dict) else [x] for x in row]
    if method == "amplitude":
        if not any(part for parts in numbers for part in parts):
            return f"'{name}' is a zero vector, which has no direction"
        return _amplitude_problem(name, len(numbers), embedding, width)
    if method == "basis" and any(x not in (0, 1) for x in row):
        return f"'{name}' holds other numbers than 0 and 1"
    if width is not None and len(numbers) > width:
        return f"'{name}' has {len(numbers)} numbers for {width} qubits"
    return None


def _amplitude_problem(
    name: str, count: int, embedding: Mapping[str, JSONValue], width: int | None
) -> str | None:
    # A list that a document can hold has far fewer than 2^64 numbers.
    room = None if width is None else 1 << min(width, 64)
    if room is not None and count > room:
        return f"'{name}' has {count} amplitudes; {width} qubits have {room}"
    if room is not None and count < room and embedding.get("pad", "error") != "zero":
        return f"'{name}' has {count} amplitudes of {room}; add 'pad: zero'"
    return None


def _is_amplitude(value: JSONValue) -> bool:
    """A number, or {re: …, im: …}."""
    if isinstance(value, dict):
        return set(value) == {"re", "im"} and all(map(_is_number, value.values()))
    return _is_number(value)


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
