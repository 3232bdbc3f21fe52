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
MAX_PIXELS = 1100  # of width: Dagster's dialog cuts off what is wider
MAX_BARS = 32
MAX_SERIES = 6
MAX_KEY = 16  # characters of an outcome
MAX_FLAT = 36  # characters of all outcomes that fit beside each other
MANY_TIMES = 60
INLINE_CHARACTERS = 1000  # of Markdown; from here on Dagster hides it behind a click
_EVOLVED = "then Trotter of order {order}, {steps} steps, error ≤ {bound:.2g}"
_ROW = 14
_LABELS = 108
_BARS = 300


def figures(outcome: Outcome) -> dict[str, bytes]:
    """PNG bytes by title, as far as there is something to be drawn.

    `circuit`, `counts` or `probabilities`, `convergence`, `logical_rates` where the output's
    `rows` are memory experiments, and `over_time` where it has `times` and lists of that length:
    its `axes` (`{x, y}`) say what they are, its `bound` how far they may lie from `exact`.
    """
    found: dict[str, bytes] = {}
    drawing = outcome.drawing
    if drawing.get("circuit") is not None:
        found["circuit"] = circuit(drawing["circuit"], drawing.get("evolution"))
    of = drawing.get("of", 1)
    for name in ("counts", "probabilities"):
        if drawing.get(name):
            found[name] = png(histogram(drawing[name], name, of=of))
    loops = {name: values for name, values in outcome.series.items() if len(values) > 1}
    if loops:
        found["convergence"] = png(convergence(loops))
    rows = outcome.output.get("rows") if isinstance(outcome.output, dict) else None
    if is_memory(rows):
        found["logical_rates"] = png(logical_rates(rows))
    curves = over_time(outcome.output)
    if curves:
        assert isinstance(outcome.output, dict)  # noqa: S101 - it has times
        found["over_time"] = png(time_curves(curves, **_legend(outcome.output)))
    return found


def circuit(record: Mapping[str, Any], evolution: Mapping[str, Any] | None = None) -> bytes:
    """A drawing of a circuit record, and what evolves behind it; wide or long ones as a summary."""
    from chimera_pipelines.quantum.drawing import draw
    from chimera_pipelines.quantum.record import from_json

    behind = "" if evolution is None else _EVOLVED.format(**evolution)
    return png(draw(from_json(dict(record)), behind=behind))


def histogram(values: Mapping[str, float], label: str, *, of: int = 1) -> Figure:
    """Bars of the most frequent outcomes by key; they are of the first of `of` circuits."""
    from matplotlib.figure import Figure

    kept = sorted(sorted(values, key=lambda key: -values[key])[:MAX_BARS])
    names = [_shortened(key) for key in kept]
    upright = len("".join(names)) > MAX_FLAT
    figure = Figure(figsize=(max(4.0, 0.34 * len(kept) + 1.6), 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(kept)), [values[key] for key in kept], color="#3b6ea8")
    axes.set_xticks(range(len(kept)), names, rotation=90 if upright else 0, family="monospace")
    left = len(values) - len(kept)
    said = [f"first of {of} circuits"] if of > 1 else []
    said += [f"{left} further outcomes not shown"] if left else []
    axes.set_title(", ".join(said), fontsize=10)
    axes.set_xlabel("outcome" if names == kept else f"outcome ({len(kept[0])} bits)")
    axes.set_ylabel(label)
    return figure


def _shortened(key: str) -> str:
    return key if len(key) <= MAX_KEY else f"{key[: MAX_KEY // 2]}…{key[-MAX_KEY // 2 :]}"


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


def time_curves(
    curves: Mapping[str, list[float]], *, x: str = "time", y: str = "", bound: float | None = None
) -> Figure:
    """Lists over `times`: `exact` as a line with a band of its bound, what is constant dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    times = curves["times"]
    size = 3 if len(times) > MANY_TIMES else 6
    for number, name in enumerate(sorted(set(curves) - {"times"})[:MAX_SERIES]):
        values, colour = curves[name], f"C{number}"
        constant = min(values) == max(values)
        style = "-" if name == "exact" else "--" if constant else "o"
        axes.plot(times, values, style, color=colour, markersize=size, label=name, alpha=0.8)
        if name == "exact" and bound is not None:
            low, high = [v - bound for v in values], [v + bound for v in values]
            label = f"exact ± {bound:.2g}, the bound"
            axes.fill_between(times, low, high, color=colour, alpha=0.22, linewidth=0, label=label)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _legend(output: Mapping[str, Any]) -> dict[str, Any]:
    """What an output says of its lists over `times`, as arguments of `time_curves`."""
    axes, bound = output.get("axes"), output.get("bound")
    said = axes if isinstance(axes, dict) else {}
    found = {name: said[name] for name in ("x", "y") if isinstance(said.get(name), str)}
    return found | ({"bound": bound} if _numbers([bound]) else {})


def _numbers(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG, no wider than Dagster shows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=min(DPI, MAX_PIXELS / figure.get_figwidth()))
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
