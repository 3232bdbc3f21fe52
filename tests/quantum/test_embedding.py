from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedding, embed
from chimera_pipelines.quantum.operations import Register
from chimera_pipelines.quantum.record import CircuitRecord


def _circuit(width: int = 2) -> CircuitRecord:
    return CircuitRecord(width, (Register("q", tuple(range(width))),), 0, (), ())


def _angle(features, **options) -> Embedding:
    return Embedding.from_options({"method": "angle", **options}, features)


def _amplitude(features, **options) -> Embedding:
    return Embedding.from_options({"method": "amplitude", **options}, features)


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


BAD = {
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
