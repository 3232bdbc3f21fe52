"""Pictures of an outcome as PNG: circuit, counts, values over feedback iterations.

matplotlib is used through its object interface, so that threads do not share a current figure.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chimera_pipelines.lifecycle.records import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
MAX_BARS = 32
MAX_SERIES = 6


def figures(outcome: Outcome) -> dict[str, bytes]:
    """PNG bytes by title: `circuit`, `counts` or `probabilities`, `convergence`."""
    found: dict[str, bytes] = {}
    drawing = outcome.drawing
    if drawing.get("circuit") is not None:
        found["circuit"] = circuit(drawing["circuit"])
    for name in ("counts", "probabilities"):
        if drawing.get(name):
            found[name] = png(histogram(drawing[name], name))
    loops = {name: values for name, values in outcome.series.items() if len(values) > 1}
    if loops:
        found["convergence"] = png(convergence(loops))
    return found


def circuit(record: Mapping[str, Any]) -> bytes:
    """A drawing of a circuit record; wide or long ones as a summary."""
    from chimera_pipelines.quantum.drawing import draw
    from chimera_pipelines.quantum.record import from_json

    return png(draw(from_json(dict(record))))


def histogram(values: Mapping[str, float], label: str) -> Figure:
    """Bars of the most frequent outcomes, in the order of their keys."""
    from matplotlib.figure import Figure

    kept = sorted(sorted(values, key=lambda key: -values[key])[:MAX_BARS])
    figure = Figure(figsize=(max(4.0, 0.34 * len(kept) + 1.6), 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(kept)), [values[key] for key in kept], color="#3b6ea8")
    axes.set_xticks(range(len(kept)), kept, rotation=90 if len(kept) > 4 else 0, family="monospace")  # noqa: PLR2004
    left = len(values) - len(kept)
    axes.set_title(f"{label}, {left} further outcomes not shown" if left else label)
    axes.set_ylabel(label)
    return figure


def convergence(series: Mapping[str, Sequence[float]]) -> Figure:
    """Each number that a feedback loop published, over its passes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = list(series)[:MAX_SERIES]
    figure = Figure(figsize=(6.0, 1.9 * len(names) + 0.6), layout="constrained")
    for row, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, row + 1)
        axes.plot(range(1, len(series[name]) + 1), series[name], marker="o", color="#3b6ea8")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    axes.set_xlabel("feedback iteration")
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
