from __future__ import annotations

import io

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.quantum.drawing import depth, draw, draw_text, summary
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz, teleport


def test_a_drawing_is_a_figure_outside_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    buffer = io.BytesIO()
    draw(write_record(teleport())).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
    assert plt.get_fignums() == before


def test_a_wide_circuit_is_summed_up():
    figure = draw(write_record(ghz(60)))
    assert not figure.axes
    assert "60 qubits" in figure.texts[0].get_text()


def test_a_circuit_without_operations_is_said_to_be_one():
    figure = draw(write_record(QuantumCircuit(7)), behind="then a Trotter formula")
    (text,) = figure.texts
    assert text.get_text().splitlines() == [
        "7 qubits, 0 classical bits, depth 0",
        "no operations",
        "then a Trotter formula",
    ]
    box = text.get_window_extent()
    assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1


def test_a_drawing_fills_its_figure():
    figure = draw(write_record(ghz(3)))
    (axes,) = figure.axes
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx((right - left) / (high - low))


def test_the_summary_counts_operations_and_depth():
    record = write_record(ghz(3))
    assert summary(record).splitlines() == [
        "3 qubits, 3 classical bits, depth 4",
        "measure 3, cx 2, h 1, barrier 1",
    ]


def test_depth_of_parallel_gates_is_one():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    assert depth(write_record(circuit)) == 1


def test_text_is_folded():
    assert max(map(len, draw_text(write_record(ghz(12)), columns=60).splitlines())) <= 60
