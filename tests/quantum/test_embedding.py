from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedding, _steps, embed, overlap_circuit
from chimera_pipelines.quantum.operations import Register
from chimera_pipelines.quantum.record import CircuitRecord
from tests.quantum.dense import pauli_matrix, unitary


def _circuit(width: int = 2) -> CircuitRecord:
    return CircuitRecord(width, (Register("q", tuple(range(width))),), 0, (), ())


def _angle(features, **options) -> Embedding:
    return Embedding.from_options({"method": "angle", **options}, features)


def _amplitude(features, **options) -> Embedding:
    return Embedding.from_options({"method": "amplitude", **options}, features)


def _embedding(method, features, **options) -> Embedding:
    return Embedding.from_options({"method": method, **options}, features)


def test_angles_turn_one_qubit_each():
    (made,), several = embed([_circuit()], _angle([0.5, 1.0], axis="rx", scale=2), is_list=False)
    assert not several
    assert [(s.name, s.qubits, s.params) for s in made.record.operations] == [
        ("rx", (0,), (1.0,)),
        ("rx", (1,), (2.0,)),
    ]


def test_a_list_of_lists_makes_results_a_list_also_for_one_row():
    made, several = embed([_circuit()], _angle([[0.5]]), is_list=False)
    assert several
    assert len(made) == 1


def test_one_row_goes_in_front_of_each_circuit_and_m_rows_pairwise():
    made, several = embed([_circuit(), _circuit(3)], _angle([0.5]), is_list=True)
    assert several
    assert [m.record.operations[0].params for m in made] == [(0.5,), (0.5,)]
    made, _ = embed([_circuit(), _circuit(3)], _angle([[0.1], [0.2]]), is_list=True)
    assert [(m.record.num_qubits, m.record.operations[0].params) for m in made] == [
        (2, (0.1,)),
        (3, (0.2,)),
    ]


def test_rows_of_several_lengths_go_in_front_of_circuits_of_their_own_alone():
    rows = [[0.1, 0.2], [0.3, 0.4], [0.5]]
    with pytest.raises(KernelError, match="row 2 of the features has 1 numbers, row 0 has 2") as e:
        embed([_circuit()], _angle(rows), is_list=False)
    assert (e.value.code, bool(e.value.hint)) == ("MAML412", True)
    made, _ = embed([_circuit(), _circuit(), _circuit(1)], _angle(rows), is_list=True)
    assert [len(m.record.operations) for m in made] == [2, 2, 1]


def test_amplitudes_are_normalised_and_padded():
    (made,), _ = embed([_circuit(3)], _amplitude([3.0, 0.0, 4.0], pad="zero"), is_list=False)
    (factor,) = made.factors
    assert factor.qubits == (0, 1)
    assert [z.real for z in factor.amplitudes] == pytest.approx([0.6, 0.0, 0.8, 0.0])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_amplitudes_have_norm_one_whatever_their_size(row):
    if not any(row):
        return
    (made,), _ = embed([_circuit()], _amplitude(row), is_list=False)
    norm = math.fsum(abs(z) ** 2 for z in made.factors[0].amplitudes)
    assert norm == pytest.approx(1.0, abs=1e-12)


def _state(embedding: Embedding, row: int, width: int):
    """The embedded state, by Qiskit from the operations that an overlap circuit begins with."""
    return unitary(
        replace(_circuit(width), operations=_steps(_circuit(width), embedding.rows[row], embedding))
    )[:, 0]


def test_bits_flip_qubits():
    (made,), _ = embed([_circuit(3)], _embedding("basis", [1, 0, 1]), is_list=False)
    assert [(s.name, s.qubits) for s in made.record.operations] == [("x", (0,)), ("x", (2,))]
    assert abs(_state(_embedding("basis", [1, 0, 1]), 0, 3)[0b101]) == pytest.approx(1.0)


def test_iqp_is_hadamards_and_phases_of_products():
    """Against the matrices of the definition: exp(-i/2 (Σ a Z + Σ a a' ZZ)) H, repeated."""
    a, scale, repeats = (0.7, -0.4, 1.1), 1.3, 3
    x = [scale * value for value in a]
    strings = {"IIZ": x[0] / 2, "IZI": x[1] / 2, "ZII": x[2] / 2}
    strings |= {"IZZ": x[0] * x[1] / 2, "ZIZ": x[0] * x[2] / 2, "ZZI": x[1] * x[2] / 2}
    hadamard = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
    layer = expm(-1j * pauli_matrix(strings)) @ np.kron(hadamard, np.kron(hadamard, hadamard))
    exact = np.linalg.matrix_power(layer, repeats)[:, 0]
    found = _state(_embedding("iqp", list(a), scale=scale, repeats=repeats), 0, 3)
    assert np.abs(found - exact).max() < 1e-12


def test_complex_amplitudes_are_objects():
    (made,), _ = embed(
        [_circuit(1)], _amplitude([{"re": 0.0, "im": 3.0}, {"re": -4.0, "im": 0.0}]), is_list=False
    )
    assert made.factors[0].amplitudes == pytest.approx((0.6j, -0.8))


ROWS = {
    "angle": ([[0.3, 1.1], [-0.7, 0.2]], {"axis": "rx", "scale": 1.5}),
    "basis": ([[1, 0], [1, 0]], {}),
    "iqp": ([[0.3, 1.1], [-0.7, 0.2]], {"repeats": 2}),
    "amplitude": ([[1.0, 2.0, {"re": 0.0, "im": 3.0}], [0.5, -1.0, 2.0]], {"pad": "zero"}),
}


@pytest.mark.parametrize(("method", "features"), ROWS.items(), ids=ROWS)
def test_an_overlap_circuit_gives_the_inner_product(method, features):
    rows, options = features
    embedding = _embedding(method, rows, **options)
    left, right = (_state(embedding, at, 3) for at in (0, 1))
    circuit = overlap_circuit(embedding, embedding.rows[0], embedding.rows[1], 3)
    assert abs(unitary(circuit)[0, 0] - np.vdot(left, right)) < 1e-12


BAD = {
    "no bit": lambda: _embedding("basis", [0, 2]),
    "too many bits": lambda: embed([_circuit()], _embedding("basis", [0, 1, 1]), is_list=False),
    "no repeats": lambda: _embedding("iqp", [0.1], repeats=0),
    "many repeats": lambda: _embedding("iqp", [0.1], repeats=17),
    "overflowing product": lambda: embed(
        [_circuit()], _embedding("iqp", [1e200, 1e200]), is_list=False
    ),
    "complex angle": lambda: _angle([{"re": 0.1, "im": 0.2}]),
    "half a complex number": lambda: _amplitude([{"re": 0.1}, 1.0]),
    "infinite imaginary part": lambda: _amplitude([{"re": 0.1, "im": math.inf}, 1.0]),
    "empty": lambda: _angle([]),
    "empty row": lambda: _angle([[]]),
    "no list": lambda: _angle(0.5),
    "text": lambda: _angle(["a", "b"]),
    "true": lambda: _angle([True]),
    "mixed depth": lambda: _angle([[0.1], 0.2]),
    "too deep": lambda: _angle([[[0.1]]]),
    "infinite": lambda: _angle([math.inf]),
    "no number": lambda: _angle([math.nan]),
    "unknown method": lambda: Embedding.from_options({"method": "fourier"}, [1]),
    "unknown axis": lambda: _angle([0.1], axis="x"),
    "too many angles": lambda: embed([_circuit()], _angle([1, 2, 3]), is_list=False),
    "more qubits than the circuit": lambda: embed(
        [_circuit()], _angle([1], qubits=3), is_list=False
    ),
    "angles beyond qubits": lambda: embed([_circuit()], _angle([1, 2], qubits=1), is_list=False),
    "overflowing angle": lambda: embed([_circuit()], _angle([1e308], scale=1e10), is_list=False),
    "too many amplitudes": lambda: embed([_circuit(1)], _amplitude([1.0, 2.0, 3.0]), is_list=False),
    "too few amplitudes": lambda: embed([_circuit()], _amplitude([1.0, 2.0]), is_list=False),
    "zero vector": lambda: embed([_circuit(1)], _amplitude([0.0, 0.0]), is_list=False),
    "ragged": lambda: embed([_circuit(1)], _amplitude([[1.0, 0.0], [1.0]]), is_list=False),
    "3 rows for 2 circuits": lambda: embed([_circuit()] * 2, _angle([[1], [2], [3]]), is_list=True),
    "2 rows for a list of 1": lambda: embed([_circuit()], _angle([[1], [2]]), is_list=True),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_embedded_is_412(make):
    with pytest.raises(KernelError) as caught:
        make()
    assert (caught.value.code, caught.value.phase) == ("MAML412", "embed")
