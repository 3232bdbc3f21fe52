"""What a picture of logical rates holds."""

from __future__ import annotations

from chimera_pipelines.qec.plots import logical_rates
from tests.qec.test_curves import row


def test_a_line_a_distance_with_the_crossing_and_the_diagonal() -> None:
    rows = [
        row(d, p, 0.1 * (p / 0.004) ** ((d + 1) / 2)) for d in (3, 5) for p in (0.001, 0.002, 0.008)
    ]
    figure = logical_rates(rows)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["d = 3", "d = 5", "physical = logical"]
    assert [text.get_text() for text in axes.texts] == ["curves cross \nat 0.40% "]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_title() == "uniform noise, pymatching"


def test_a_panel_a_noise_model_over_distances_when_there_is_one_rate() -> None:
    rows = [row(d, 0.01, 0.01 * d, noise=n) for d in (3, 5, 7) for n in ("sd6", "uniform")]
    figure = logical_rates(rows)
    assert [axes.get_title() for axes in figure.axes] == [
        "sd6 noise, pymatching",
        "uniform noise, pymatching",
    ]
    assert all(axes.get_xlabel() == "distance" for axes in figure.axes)


def test_no_error_seen_is_drawn_at_the_upper_end() -> None:
    rows = [row(3, 0.001, 0.0, low=0.0, high=0.002), row(3, 0.01, 0.1)]
    (axes,) = logical_rates(rows).axes
    (arrows,) = axes.containers
    assert arrows.get_label() == "d = 3: no error seen ↓"
    assert list(arrows.lines[0].get_ydata()) == [0.002]
    assert logical_rates([row(3, 0.0, 0.0), row(3, 0.01, 0.1)]).axes
