"""Logical error rates as sinter draws them: a line a distance, a band for its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chimera_pipelines.qec.curves import Curve, axis, crossing, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3b6ea8", "#c2542d", "#3f8f4f", "#8a5fb0", "#b8860b", "#5b5b5b", "#1f9e9e")
_MARKERS = "osD^v<>"
WIDTH, HEIGHT = 5.0, 3.9


def logical_rates(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel for each noise model and decoder; the threshold where curves cross.

    Rates without an error seen are arrows down from the upper end of their interval.
    """
    from matplotlib.figure import Figure

    found = curves(rows)
    panels = sorted({(curve.noise, curve.decoder) for curve in found})
    figure = Figure(figsize=(WIDTH * len(panels), HEIGHT), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        own = [curve for curve in found if (curve.noise, curve.decoder) == panel]
        _panel(axes, own, axis(rows))
        axes.set_title(f"{panel[0]} noise, {panel[1]}", fontsize=10)
        kept = [row for row in rows if (row["noise"], row["decoder"]) == panel]
        threshold = crossing(kept) if axis(rows) == "physical" else None
        if threshold is not None:
            axes.axvline(threshold, color="#777", linestyle=":", linewidth=1.2)
            at = axes.get_xaxis_transform()
            label = f"curves cross \nat {threshold:.2%} "
            axes.text(threshold, 0.97, label, transform=at, fontsize=8, ha="right", va="top")
        place = "lower right" if axis(rows) == "physical" else "best"
        axes.legend(fontsize=8, loc=place, title="95 % intervals shaded", title_fontsize=8)
    all_axes[0].set_ylabel("logical error rate, all rounds")
    return figure


def _panel(axes: Axes, found: Sequence[Curve], over: str) -> None:
    for number, curve in enumerate(found):
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        seen = [point for point in curve.points if point[1] > 0 and point[0] > 0]
        unseen = [point for point in curve.points if point[1] <= 0 < point[0]]
        name = f"d = {curve.fixed:g}" if over == "physical" else f"p = {curve.fixed:g}"
        x = [point[0] for point in seen]
        y = [point[1] for point in seen]
        axes.plot(x, y, marker=marker, markersize=4, color=colour, linewidth=1.3, label=name)
        low, high = [point[2] for point in seen], [point[3] for point in seen]
        axes.fill_between(x, low, high, color=colour, alpha=0.22, linewidth=0)
        if over == "distance":
            errors = [_gaps(low, y), _gaps(y, high)]
            axes.errorbar(x, y, yerr=errors, fmt="none", ecolor=colour, capsize=3)
        if unseen:
            tops = [point[3] for point in unseen]
            fall = [0.5 * top for top in tops]
            label = f"{name}: no error seen ↓"
            axes.errorbar(
                [point[0] for point in unseen], tops, fall,
                uplims=True, fmt="_", markersize=9, color=colour, label=label,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    if over == "physical":
        axes.set_xscale("log")
        axes.set_xlabel("physical error rate")
        xs = sorted({point[0] for curve in found for point in curve.points if point[0] > 0})
        axes.plot(xs, xs, color="#999", linewidth=0.9, linestyle="--", label="physical = logical")
        axes.set_xticks(xs, [f"{x:g}" for x in xs], fontsize=8, rotation=45)
        axes.minorticks_off()
    else:
        axes.set_xlabel("distance")
        axes.set_xticks(sorted({point[0] for curve in found for point in curve.points}))


def _gaps(low: Sequence[float], high: Sequence[float]) -> list[float]:
    return [b - a for a, b in zip(low, high, strict=True)]
