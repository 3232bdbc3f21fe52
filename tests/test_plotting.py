from __future__ import annotations

import re
import struct
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines import plotting
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.plotting import convergence, figures, histogram, over_time, png, time_curves

BELL = {"00": 503, "11": 521}


def outcome(drawing: dict[str, object], series: dict[str, list[float]]) -> Outcome:
    return Outcome(
        kernel="k", status="ok", attempts=1, head="HEAD_1", device="cpu", incarnation=1,
        tier="landlock", input_digest="", output_digest="", output={}, cuda_ns=None, seconds={},
        series=series, ticket={}, checkpoint=None, drawing=drawing,
    )  # fmt: skip


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_only_what_there_is_is_drawn() -> None:
    assert figures(outcome({}, {})) == {}
    assert figures(outcome({"circuit": None}, {"x": [1.0]})) == {}


def test_rows_of_memory_experiments_are_drawn_and_other_rows_are_not() -> None:
    row = {"noise": "uniform", "distance": 3, "rounds": 3, "decoder": "pymatching", "shots": 100}
    rates = {"physical": 0.01, "logical": 0.06, "low": 0.02, "high": 0.1}
    drawn = figures(replace(outcome({}, {}), output={"rows": [row | rates]}))
    assert list(drawn) == ["logical_rates"]
    assert min(size(drawn["logical_rates"])) > 100
    for rows in ([row], [], [3], {"a": 1}, None, [row | rates, row]):
        assert figures(replace(outcome({}, {}), output={"rows": rows})) == {}
    assert figures(replace(outcome({}, {}), output=[row | rates])) == {}


def test_circuit_counts_and_convergence() -> None:
    from qiskit import QuantumCircuit

    from chimera_pipelines.quantum.write import encode_circuits

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    (record,) = encode_circuits(circuit)[0]["circuits"]
    found = figures(outcome({"circuit": record, "counts": BELL}, {"e": [3.0, 2.0]}))
    assert list(found) == ["circuit", "counts", "convergence"]
    assert all(min(size(png)) > 100 for png in found.values())
    evolution = {"order": 2, "steps": 149, "bound": 0.0198}
    evolved = figures(outcome({"circuit": record, "evolution": evolution}, {}))
    assert size(evolved["circuit"])[1] > size(found["circuit"])[1]


def test_histogram_keeps_the_most_frequent_outcomes_in_the_order_of_their_keys() -> None:
    many = {f"{n:06b}": n + 1 for n in range(64)}
    axes = histogram(many, "counts").axes[0]
    assert [bar.get_height() for bar in axes.patches] == list(range(33, 65))
    assert axes.get_title() == "32 further outcomes not shown"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("outcome", "counts")


def test_outcomes_of_many_qubits_are_shortened() -> None:
    figure = histogram({"0" * 127: 1968, "1" * 127: 2032}, "counts", of=4)
    (axes,) = figure.axes
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["00000000…00000000", "11111111…11111111"]
    assert axes.get_xlabel() == "outcome (127 bits)"
    assert axes.get_title() == "first of 4 circuits"
    png(figure)
    for text in (*axes.get_xticklabels(), axes.xaxis.label, axes.yaxis.label):
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0


def test_no_picture_is_wider_than_the_dialog_that_shows_it() -> None:
    many = {f"{n:06b}": n + 1 for n in range(64)}
    assert size(png(histogram(many, "counts")))[0] == plotting.MAX_PIXELS
    assert size(png(histogram(BELL, "counts")))[0] == 4 * plotting.DPI


def test_convergence_has_a_panel_a_series() -> None:
    figure = convergence({"energy": [3.0, 2.0, 1.0], "gradient": [1.0, 0.5, 0.1]})
    assert [axes.get_ylabel() for axes in figure.axes] == ["energy", "gradient"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [1, 2, 3]


def _timeline(*seconds: float) -> Timeline:
    return Timeline("HEAD_1", 7, 8, "killed", dict(zip(Stage, seconds, strict=False)))


@given(st.lists(st.floats(0, 99_999), max_size=8))
def test_a_regeneration_is_short_enough_to_be_seen_at_once(seconds: list[float]) -> None:
    markdown = plotting.timeline_markdown(_timeline(*seconds))
    assert len(markdown) < plotting.INLINE_CHARACTERS
    assert markdown.startswith("![HEAD_1 regenerated](data:image/svg+xml;base64,")


@given(st.lists(st.floats(0, 99_999), max_size=8))
def test_bars_of_a_regeneration_lie_inside_the_picture(seconds: list[float]) -> None:
    svg = plotting.timeline(_timeline(*seconds))
    root = ElementTree.fromstring(svg)  # noqa: S314 - made here
    bars = re.findall(r"M(\d+) (\d+)h(\d+)", root[0].get("d", ""))
    assert len(bars) == len(seconds)
    width, height = int(root.get("width", "0")), int(root.get("height", "0"))
    for x, y, length in bars:
        assert int(x) + int(length) <= width
        assert int(y) < height


def test_a_regeneration_names_each_stage_with_its_time() -> None:
    svg = plotting.timeline(_timeline(0.032, 0.001, 2.25))
    for label in ("detect 32 ms", "fence 1 ms", "start 2.2 s"):
        assert label in svg


def test_lists_over_times_are_drawn_together() -> None:
    output = {"times": [0, 0.5, 1.0], "exact": [1.0, 0.5, 0.1], "names": ["a", "b", "c"], "n": [1]}
    assert over_time(output) == {"times": [0, 0.5, 1.0], "exact": [1.0, 0.5, 0.1]}
    assert png(time_curves(over_time(output))).startswith(b"\x89PNG")
    assert over_time({"times": [0, 1]}) == over_time({"times": "soon"}) == over_time(None) == {}


def test_an_output_names_the_axes_and_the_bound_of_its_curves() -> None:
    curves = {"times": [0, 1.0], "exact": [1.0, 0.5], "limit": [0.7, 0.7], "trotter": [1.0, 0.6]}
    (axes,) = time_curves(curves, x="time (s)", y="spin", bound=0.1).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (s)", "spin")
    styles = {line.get_label(): line.get_linestyle() for line in axes.lines}
    assert styles == {"exact": "-", "limit": "--", "trotter": "None"}
    (band,) = axes.collections
    assert band.get_label() == "exact ± 0.1, the bound"
    assert band.get_datalim(axes.transData).intervaly.tolist() == [0.4, 1.1]
    said = {"axes": {"x": "time (s)", "y": 3}, "bound": True}
    assert list(figures(replace(outcome({}, {}), output=curves | said))) == ["over_time"]
    assert list(figures(replace(outcome({}, {}), output=curves | {"axes": []}))) == ["over_time"]
