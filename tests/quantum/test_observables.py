from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.outcomes import estimate


def test_the_h2_hamiltonian_needs_two_bases():
    observable = Observable.from_json({"II": 1, "ZI": 2, "IZ": 3, "ZZ": 4, "XX": 5}, 2)
    assert observable.constant == 1
    z, x = observable.bases()
    assert z.terms == ((2.0, 0b10), (3.0, 0b01), (4.0, 0b11))
    assert (z.from_x, z.from_y) == ((), ())
    assert (x.from_x, x.terms) == ((0, 1), ((5.0, 0b11),))


def test_masks_read_the_string_from_the_right():
    (term,) = Observable.from_json({"XYZI": 1.0}, 4).terms
    assert (term.x, term.z) == (0b1100, 0b0110)


@given(st.dictionaries(st.text("IXYZ", min_size=4, max_size=4), st.floats(-2, 2), min_size=1))
def test_each_basis_holds_terms_that_agree_qubit_by_qubit(strings):
    observable = Observable.from_json(strings, 4)
    bases = observable.bases()
    placed = sorted(c for basis in bases for c, _ in basis.terms)
    assert placed == sorted(c for s, c in observable.strings if s != "IIII")
    for basis in bases:
        assert not set(basis.from_x) & set(basis.from_y)


def test_an_estimate_is_the_mean_sign_times_the_coefficient():
    assert estimate([(2.0, 0b11)], {0b00: 3, 0b01: 1}) == pytest.approx(2.0 * (3 - 1) / 4)


def test_an_estimate_of_many_qubits_needs_no_array():
    ones = (1 << 127) - 1
    assert estimate([(1.0, ones)], {ones: 5, 0: 5}) == 0.0


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        {"ZZ": 1.0},
        {"z": 1.0},
        {"A": 1.0},
        {"Z": "1"},
        {"Z": True},
        {"Z": math.nan},
        {"Z": math.inf},
        {"": 1.0},
        {"Z": 1j},
        {"Z": 1 + 0j},
        {"Z": [1.0, 0.0]},
        {"Z": 10**400},
        {"Z": 1e308, "X": -1e308},
        {1: 1.0},
    ],
)
def test_bad_observables_are_904(value):
    with pytest.raises(KernelError) as caught:
        Observable.from_json(value, 1)
    assert caught.value.code == "MAML904"


def test_complex_coefficients_are_called_not_hermitian():
    with pytest.raises(KernelError, match="Hermitian"):
        Observable.from_json({"Z": 1j}, 1)
