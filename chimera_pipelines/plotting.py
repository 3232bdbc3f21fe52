"""Pictures: of an outcome as PNG (circuit, counts, values over passes), of a regeneration as SVG.

matplotlib is used through its object interface, so that threads do not share a current figure. The
picture of a regeneration is written by hand instead: Dagster shows Markdown of less than 1,000
characters in its place and anything longer behind a click, and a PNG is never that short.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.qec.curves import is_memory
from chimera_pipelines.qec.plots import logical_rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
MAX_BARS = 32
MAX_SERIES = 6
INLINE_CHARACTERS = 1000  # of Markdown; from here on Dagster hides it behind a click
_ROW = 14
_LABELS = 108
_BARS = 300


def figures(outcome: Outcome) -> dict[str, bytes]:
    """PNG bytes by title, as far as there is something to be drawn.

    `circuit`, `counts` or `probabilities`, `convergence`, `logical_rates` where the output's
    `rows` are memory experiments, and `over_time` where it has `times` and lists of that length.
    """
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
    rows = outcome.output.get("rows") if isinstance(outcome.output, dict) else None
    if is_memory(rows):
        found["logical_rates"] = png(logical_rates(rows))
    curves = over_time(outcome.output)
    if curves:
        found["over_time"] = png(time_curves(curves))
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


def over_time(output: object) -> dict[str, list[float]]:
    """`times` and what an output publishes for each of them; empty where there is no such."""
    times = output.get("times") if isinstance(output, dict) else None
    if not isinstance(output, dict) or not _numbers(times) or len(times) < 2:  # noqa: PLR2004
        return {}
    same = {k: v for k, v in output.items() if _numbers(v) and len(v) == len(times)}
    return same if len(same) > 1 else {}


def time_curves(curves: Mapping[str, list[float]]) -> Figure:
    """Lists over `times`; what is called `exact` is the line that the others are compared to."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for name in sorted(set(curves) - {"times"})[:MAX_SERIES]:
        style = "-" if name == "exact" else "o"
        axes.plot(curves["times"], curves[name], style, label=name, alpha=0.8)
    axes.set_xlabel("time")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _numbers(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def timeline(found: Timeline) -> str:
    """The stages of a regeneration as SVG: a bar each, one behind the other, with their times."""
    stages = [stage for stage in Stage if stage in found.stages]
    scale = _BARS / max(found.seconds, 1e-6)
    bars, labels, begun = "", "", 0.0
    for row, stage in enumerate(stages, 1):
        width = max(1, round(found.stages[stage] * scale))
        bars += f"M{min(_LABELS + round(begun * scale), _LABELS + _BARS - width)} {row * _ROW}"
        bars += f"h{width}"
        labels += f'<tspan x="0" dy="{_ROW}">{stage} {_seconds(found.stages[stage])}</tspan>'
        begun += found.stages[stage]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS}"'
        f' height="{_ROW * len(stages) + _ROW}"><path stroke="#3b6ea8" stroke-width="9"'
        f' d="{bars}"/><text y="4" font-size="11" fill="#777">{labels}</text></svg>'
    )


def timeline_markdown(found: Timeline) -> str:
    """The picture of a regeneration as Markdown that Dagster shows in its place."""
    data = base64.b64encode(timeline(found).encode()).decode()
    return f"![{found.head} regenerated](data:image/svg+xml;base64,{data})"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
