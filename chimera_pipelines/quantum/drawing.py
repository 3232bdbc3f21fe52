"""Drawings of circuits: a figure where one can be read, a summary of the circuit otherwise."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from chimera_pipelines.quantum.loading import load_qiskit
from chimera_pipelines.quantum.record import CircuitRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_DRAWN_OPERATIONS = 400
FOLD = 18
_TEXT_LINE = 0.3  # inches


def draw(record: CircuitRecord, max_qubits: int = 40, *, behind: str = "") -> Figure:
    """A figure of the circuit, or of the text of `summary` where a drawing could not be read.

    `behind` says what comes after it. The figure belongs to no pyplot state, so threads may draw at
    once and nothing is to be closed.
    """
    from matplotlib.figure import Figure

    operations = sum(1 for _ in record.walk())
    if record.num_qubits > max_qubits or not 0 < operations <= MAX_DRAWN_OPERATIONS:
        return _written(f"{summary(record)}\n{behind}".rstrip())
    load_qiskit()
    from chimera_pipelines.quantum.read import to_qiskit

    width = min(FOLD, max(4, operations)) * 0.6 + 2
    figure = Figure(figsize=(width, width))
    axes = figure.add_axes((0, 0, 1, 1))
    to_qiskit(record).draw(output="mpl", ax=axes, fold=FOLD, idle_wires=True)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    height = width * (high - low) / (right - left)
    said = _TEXT_LINE if behind else 0.0
    figure.set_size_inches(width, height + said)
    axes.set_position((0, said / (height + said), 1, height / (height + said)))
    figure.text(0.02, 0.1 / (height + said), behind, family="monospace", fontsize=9)
    return figure


def _written(text: str) -> Figure:
    from matplotlib.figure import Figure

    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 80)]
    width = 0.08 * max(map(len, lines)) + 0.4
    figure = Figure(figsize=(width, _TEXT_LINE * len(lines) + 0.2))
    figure.text(0.2 / width, 0.5, "\n".join(lines), va="center", family="monospace", fontsize=9)
    return figure


def draw_text(record: CircuitRecord, columns: int = 100) -> str:
    """The circuit in characters, folded to `columns`."""
    load_qiskit()
    from chimera_pipelines.quantum.read import to_qiskit

    return str(to_qiskit(record).draw(output="text", fold=columns))


def summary(record: CircuitRecord) -> str:
    """Width, depth, and how often each operation stands in the circuit."""
    counts = Counter(step.name for step in record.walk())
    gates = ", ".join(f"{name} {n}" for name, n in counts.most_common())
    return (
        f"{record.num_qubits} qubits, {record.num_clbits} classical bits, "
        f"depth {depth(record)}\n{gates or 'no operations'}"
    )


def depth(record: CircuitRecord) -> int:
    """Longest chain of operations that share a qubit or a bit; an `if` counts as one step."""
    qubits = [0] * record.num_qubits
    clbits = [0] * record.num_clbits
    for step in record.operations:
        on = step.qubits if step.condition is None else tuple(range(record.num_qubits))
        bits = step.clbits if step.condition is None else tuple(range(record.num_clbits))
        if step.name == "barrier":
            continue
        level = 1 + max([*(qubits[q] for q in on), *(clbits[b] for b in bits)], default=0)
        for q in on:
            qubits[q] = level
        for b in bits:
            clbits[b] = level
    return max([*qubits, *clbits], default=0)
