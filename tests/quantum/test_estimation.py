from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import random_statevector
from scipy.stats import chi2

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.budget import Budget
from chimera_pipelines.quantum.estimation import estimated, rotate, sampled
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.outcomes import spread

STRINGS = {"ZIXYI": 0.3, "XXIIZ": 1.0, "YYZII": 2.0, "IIIII": 0.5, "ZZZZZ": 1.5, "IYIXI": -0.7}
PAULI = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def dense(strings: dict[str, float]) -> np.ndarray:
    """The matrix of an observable, written from the definition: qubit 0 is the rightmost letter."""
    total = 0
    for string, coefficient in strings.items():
        made = np.eye(1)
        for letter in string:
            made = np.kron(made, PAULI[letter])
        total = total + coefficient * made
    return total


def exact(state: np.ndarray, strings: dict[str, float]) -> float:
    return float((state.conj() @ dense(strings) @ state).real)


def test_a_number_of_shots_is_spent_for_each_basis():
    """Five standard errors and a half of 2 · 10⁵ shots: false failure below 1e-7."""
    observable = Observable.from_json(STRINGS, 5)
    state = random_statevector(32, seed=1).data
    found = sampled(state, observable, 40_000, 3, 0)
    assert found.shots == 40_000 * len(observable.bases())
    assert 0 < abs(found.value - exact(state, STRINGS)) < 5.5 * found.error


def test_a_state_of_the_basis_has_no_spread():
    plus = np.full(4, 0.5, dtype=complex)
    observable = Observable.from_json({"XX": 2.0, "IX": 1.0}, 2)
    found = sampled(plus, observable, 100, 1, 0)
    assert (found.value, found.error) == (3.0, 0.0)
    right = np.kron([1, 1j], [1, 1j]).astype(complex) / 2
    assert sampled(right, Observable.from_json({"YY": 1.0}, 2), 50, 1, 0).value == 1.0


def test_the_standard_error_is_that_of_theory_with_covariances():
    """Variance of the sum of one basis: ⟨A²⟩ − ⟨A⟩², which holds the covariances of its terms.

    The sample variance of 10⁶ shots lies within 1 % of it unless a normal variable is over 6.
    """
    strings = {"IIZ": 1.0, "IZI": -0.5, "ZZZ": 0.8, "IZZ": 1.2}
    state = random_statevector(8, seed=11).data
    matrix = dense(strings)
    mean = (state.conj() @ matrix @ state).real
    variance = (state.conj() @ matrix @ matrix @ state).real - mean**2
    shots = 1_000_000
    found = sampled(state, Observable.from_json(strings, 3), shots, 2, 0)
    assert found.error == pytest.approx(math.sqrt(variance / shots), rel=0.01)
    alone = sum(c * c * (1 - exact(state, {s: 1.0}) ** 2) for s, c in strings.items())
    assert abs(variance - alone) > 0.1 * alone  # the test would pass without them otherwise


@pytest.mark.parametrize("shots", [2000, Budget(0.05, 200_000)], ids=["number", "budget"])
def test_errors_cover_the_exact_value(shots):
    """Σ z² of 60 seeds against χ² with 60 degrees: false failure below 1e-7 on either side.

    A sample variance of 2,000 shots or more is within a few per cent, so the bounds are stretched
    by 10 % each.
    """
    observable = Observable.from_json(STRINGS, 5)
    state = random_statevector(32, seed=4).data
    value = exact(state, STRINGS)
    found = [sampled(state, observable, shots, seed, 0) for seed in range(60)]
    total = sum(((one.value - value) / one.error) ** 2 for one in found)
    assert chi2.ppf(5e-8, 60) / 1.1 < total < chi2.isf(5e-8, 60) * 1.1


@pytest.mark.parametrize("error", [0.3, 0.05, 0.01])
def test_a_budget_reaches_its_error_and_does_not_overspend(error):
    """No chance in it but the seed's: what is published is what was reached."""
    observable = Observable.from_json(STRINGS, 5)
    state = random_statevector(32, seed=5).data
    found = sampled(state, observable, Budget(error, 10_000_000), 1, 0)
    assert found.error <= error
    even = sampled(state, observable, found.shots // len(observable.bases()), 1, 0)
    assert found.error < even.error * 1.05
    assert found.shots < 1.5 * found.shots * (found.error / error) ** 2 + 4000


def test_a_budget_never_takes_more_than_its_most():
    observable = Observable.from_json(STRINGS, 5)
    state = random_statevector(32, seed=6).data
    found = sampled(state, observable, Budget(1e-4, 5000), 1, 0)
    assert 4990 <= found.shots <= 5000
    assert found.error > 1e-4


def test_a_budget_spends_little_where_nothing_spreads():
    zero = np.zeros(8, dtype=complex)
    zero[0] = 1.0
    found = sampled(zero, Observable.from_json({"ZZZ": 1.0}, 3), Budget(0.01, 1_000_000), 1, 0)
    assert (found.value, found.error) == (1.0, 0.0)
    assert found.shots < 2000


def test_one_shot_shows_no_spread():
    state = random_statevector(32, seed=6).data
    observable = Observable.from_json(STRINGS, 5)
    assert sampled(state, observable, 1, 1, 0).error is None
    assert sampled(state, Observable.from_json({"IIIII": 2.0}, 5), 1, 1, 0).error == 0.0


def test_a_budget_below_two_shots_a_basis_is_refused():
    observable = Observable.from_json({"X": 1.0, "Y": 1.0, "Z": 1.0}, 1)
    with pytest.raises(KernelError) as caught:
        sampled(np.array([1.0, 0.0j]), observable, Budget(0.1, 5), 1, 0)
    assert caught.value.code == "MAML319"
    assert "6" in str(caught.value.hint)


def test_the_identity_alone_needs_no_shots():
    one = Observable.from_json({"II": 2.5}, 2)
    for shots in (10, Budget(0.1, 10)):
        found = estimated(one, shots, lambda *_: pytest.fail("nothing is measured"))
        assert (found.value, found.error, found.shots) == (2.5, 0.0, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from(["complex64", "complex128"]))
def test_arrays_and_tensors_are_turned_to_the_same_bits(seed, width, kind):
    rng = np.random.default_rng(seed)
    state = (rng.normal(size=2**width) + 1j * rng.normal(size=2**width)).astype(kind)
    state /= np.linalg.norm(state)
    string = "".join(rng.choice(list("IXYZ"), width))
    if not string.strip("I"):
        return
    (basis,) = Observable.from_json({string: 1.0}, width).bases()
    turned = rotate(state, basis)
    assert turned.dtype == state.dtype
    assert np.array_equal(rotate(torch.from_numpy(state), basis).numpy(), turned)


def test_equal_seeds_give_equal_estimates_for_arrays_and_tensors():
    observable = Observable.from_json(STRINGS, 5)
    for kind in (np.complex64, np.complex128):
        state = random_statevector(32, seed=8).data.astype(kind)
        for shots in (1000, Budget(0.05, 100_000)):
            ours = sampled(state, observable, shots, 7, 2)
            assert sampled(torch.from_numpy(state), observable, shots, 7, 2) == ours
            assert sampled(state, observable, shots, 7, 3) != ours


@given(
    st.dictionaries(st.integers(0, 2**70), st.integers(1, 50), min_size=1, max_size=100),
    st.lists(st.tuples(st.floats(-2, 2), st.integers(1, 2**70)), min_size=1, max_size=4),
)
def test_the_spread_is_the_sample_variance_of_single_shots(outcomes, terms):
    shots = [
        sum(c * (-1) ** ((index & mask).bit_count() % 2) for c, mask in terms)
        for index, n in outcomes.items()
        for _ in range(n)
    ]
    expected = float(np.var(shots, ddof=1)) if len(shots) > 1 else 0.0
    assert spread(terms, Counter(outcomes)) == pytest.approx(expected, abs=1e-9)


def test_a_damaged_state_is_refused():
    with pytest.raises(KernelError) as caught:
        sampled(np.array([1.0, 1.0j]), Observable.from_json({"X": 1.0}, 1), 10, 1, 0)
    assert caught.value.code == "CHIM778"
    assert sampling.expectation(np.array([1.0, 0j]), Observable.from_json({"Z": 1.0}, 1)) == 1.0
