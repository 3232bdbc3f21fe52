from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.hamiltonian import PauliSum, commute
from tests.quantum.dense import pauli_matrix

WIDTH = 3
strings = st.text("IXYZ", min_size=WIDTH, max_size=WIDTH)
sums = st.dictionaries(strings, st.floats(-3, 3).filter(lambda c: abs(c) > 1e-3), min_size=1)


@given(sums)
def test_the_matrix_is_that_of_the_definition(given_strings):
    made = PauliSum.from_json(given_strings, WIDTH)
    assert np.abs(made.dense() - pauli_matrix(given_strings)).max() < 1e-12
    assert made.strings() == given_strings


@given(sums, sums)
def test_the_commutator_is_that_of_the_matrices(left, right):
    a, b = pauli_matrix(left), pauli_matrix(right)
    made = PauliSum.from_json(left, WIDTH).commutator(PauliSum.from_json(right, WIDTH))
    assert np.abs(made.dense() - 1j * (a @ b - b @ a)).max() < 1e-9


@given(sums)
def test_the_norm_bound_lies_between_the_norm_and_the_sum_of_coefficients(given_strings):
    made = PauliSum.from_json(given_strings, WIDTH)
    norm = np.linalg.norm(pauli_matrix(given_strings), 2)
    assert norm <= made.norm_bound() * (1 + 1e-12)
    assert made.norm_bound() <= made.one_norm * (1 + 1e-12)


def test_anticommuting_strings_add_in_squares():
    made = PauliSum.from_json({"X": 3.0, "Z": 4.0}, 1)
    assert made.norm_bound() == pytest.approx(5.0)


@given(sums)
def test_groups_commute_inside_and_add_up_to_the_sum(given_strings):
    made = PauliSum.from_json(given_strings, WIDTH)
    groups = made.groups()
    for group in groups:
        assert all(commute(a, b) for a in group.hamiltonian.terms for b in group.hamiltonian.terms)
        assert group.local == all((t.x | t.z).bit_count() == 1 for t in group.hamiltonian.terms)
    total = sum((g.hamiltonian.dense() for g in groups), made.constant * np.eye(1 << WIDTH))
    assert np.abs(total - made.dense()).max() < 1e-12


def test_products_of_z_are_one_group_whatever_their_order():
    mixed = {"IX": 1.0, "ZZ": 1.0, "XI": 1.0, "IZ": 1.0, "ZI": 1.0}
    first, second = PauliSum.from_json(mixed, 2).groups()
    assert {t.x for t in first.hamiltonian.terms} == {0}
    assert second.local


def test_sums_and_multiples():
    a, b = PauliSum.from_json({"X": 1.0, "Z": 2.0}, 1), PauliSum.from_json({"X": -1.0, "Y": 3.0}, 1)
    assert (a + b).strings() == {"Z": 2.0, "Y": 3.0}
    assert a.combined([(2.0, b)]).strings() == {"X": -1.0, "Z": 2.0, "Y": 6.0}
    assert a.observable().strings == (("X", 1.0), ("Z", 2.0))


BAD = {
    "empty": {},
    "list": ["Z"],
    "complex": {"ZZ": 1 + 1j},
    "complex of no imaginary part": {"ZZ": 1 + 0j},
    "complex as JSON": {"ZZ": {"re": 0.0, "im": 1.0}},
    "complex as a pair": {"ZZ": [0.0, 1.0]},
    "text": {"ZZ": "1"},
    "true": {"ZZ": True},
    "nan": {"ZZ": math.nan},
    "infinite": {"ZZ": -math.inf},
    "beyond floats": {"ZZ": 10**400},
    "infinite sum": {"ZZ": 1e308, "XX": -1e308},
    "letters": {"ZA": 1.0},
    "lower case": {"zz": 1.0},
    "narrow": {"Z": 1.0},
    "wide": {"ZZZ": 1.0},
    "no letters": {"": 1.0},
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_what_is_no_hamiltonian_is_770(value):
    with pytest.raises(KernelError) as caught:
        PauliSum.from_json(value, 2)
    assert (caught.value.code, caught.value.phase) == ("CHIM770", "embed")


def test_a_matrix_too_large_is_refused():
    with pytest.raises(KernelError, match="14 qubits"):
        PauliSum.from_json({"Z" * 14: 1.0}, 14).dense()
