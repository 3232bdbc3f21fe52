from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.evolution import (
    MAX_STEPS,
    Piece,
    error_bound,
    piecewise,
    piecewise_bound,
    steps_for,
    suzuki_trotter,
)
from chimera_pipelines.quantum.evolution_circuits import append
from chimera_pipelines.quantum.hamiltonian import PauliSum
from tests.quantum.dense import blank, ising, pauli_matrix, unitary

WIDTH = 3
strings = st.text("IXYZ", min_size=WIDTH, max_size=WIDTH)
sums = st.dictionaries(
    strings, st.floats(-1, 1).filter(lambda c: abs(c) > 1e-2), min_size=1, max_size=5
)


def error(given_strings, time, *, order, steps):
    """Distance of the record's unitary from the exact one, and the bound."""
    pieces = [Piece(PauliSum.from_json(given_strings, WIDTH), time)]
    formula = suzuki_trotter(pieces, order=order, steps=steps)
    made = unitary(append(blank(WIDTH), formula))
    exact = expm(-1j * time * pauli_matrix(given_strings))
    return float(np.linalg.norm(made - exact, 2)), formula.bound


@settings(max_examples=25, deadline=None)
@given(sums, st.floats(-1.5, 1.5), st.sampled_from([1, 2, 4]), st.integers(1, 3))
def test_the_error_is_within_the_bound(given_strings, time, order, steps):
    found, bound = error(given_strings, time, order=order, steps=steps)
    assert found <= bound + 1e-12


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_error_falls_by_the_order(order):
    h = {"XII": 0.9, "ZZI": 1.0, "IZZ": -0.7, "IYX": 0.5}
    errors = [error(h, 0.8, order=order, steps=steps)[0] for steps in (4, 8)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


@settings(max_examples=20, deadline=None)
@given(sums, st.sampled_from([1, 2, 4]), st.sampled_from([0.3, 1e-2, 1e-3]))
def test_steps_keep_the_tolerance_and_are_the_fewest_that_do(given_strings, order, tolerance):
    pieces = [Piece(PauliSum.from_json(given_strings, WIDTH), 1.0)]
    steps = steps_for(pieces, tolerance, order=order) if order > 1 or tolerance > 1e-3 else 1
    if order == 1 and tolerance <= 1e-3:
        return
    assert error_bound(pieces, order=order, steps=steps) <= tolerance * (1 + 1e-9)
    if steps > 1:
        assert error_bound(pieces, order=order, steps=steps - 1) > tolerance * (1 - 1e-9)


def test_a_hamiltonian_that_changes_evolves_piece_by_piece():
    first, second = {"X": 0.7}, {"Z": 0.9, "I": 0.3}
    pieces = [Piece(PauliSum.from_json(h, 1), t) for h, t in ((first, 0.5), (second, 0.8))]
    made = unitary(append(blank(1), suzuki_trotter(pieces, order=2, steps=1)))
    exact = expm(-0.8j * pauli_matrix(second)) @ expm(-0.5j * pauli_matrix(first))
    assert np.abs(made - exact).max() < 1e-12


def test_a_time_dependent_hamiltonian_is_met_within_both_bounds():
    def at(t):
        return {"X": math.cos(t), "Z": math.sin(t)}

    time, count = 1.2, 40
    pieces = piecewise(lambda t: PauliSum.from_json(at(t), 1), time, count)
    formula = suzuki_trotter(pieces, order=2, steps=2)
    made = unitary(append(blank(1), formula))
    exact = np.eye(2, dtype=complex)
    fine = 4000
    for k in range(fine):
        exact = expm(-1j * time / fine * pauli_matrix(at((k + 0.5) * time / fine))) @ exact
    bound = formula.bound + piecewise_bound(1.0, time, count) + piecewise_bound(1.0, time, fine)
    assert np.linalg.norm(made - exact, 2) <= bound
    assert sum(piece.duration for piece in pieces) == pytest.approx(time)


def test_the_identity_is_a_global_phase():
    made = unitary(
        append(
            blank(1),
            suzuki_trotter([Piece(PauliSum.from_json({"I": 0.4}, 1), 2.0)], order=2, steps=1),
        )
    )
    assert np.abs(made - np.exp(-0.8j) * np.eye(2)).max() < 1e-12


def refused(work) -> str:
    with pytest.raises(KernelError) as caught:
        work()
    assert caught.value.phase == "embed"
    return caught.value.code


def test_formulas_outside_of_documents_are_judged_too():
    pieces = [Piece(PauliSum.from_json({"X": 1.0, "Z": 1.0}, 1), 1.0)]
    assert refused(lambda: suzuki_trotter(pieces, order=3, steps=1)) == "CHIM771"
    assert refused(lambda: suzuki_trotter(pieces, order=2, steps=0)) == "CHIM771"
    assert refused(lambda: suzuki_trotter(pieces, order=2, steps=MAX_STEPS + 1)) == "CHIM771"
    assert refused(lambda: steps_for(pieces, 0.0, order=2)) == "CHIM771"
    endless = [Piece(pieces[0].hamiltonian, 1e308)]
    assert refused(lambda: steps_for(endless, 0.1, order=2)) == "CHIM771"
    assert refused(lambda: suzuki_trotter(endless * 2, order=2, steps=1)) == "CHIM771"
    assert refused(lambda: piecewise(lambda _: pieces[0].hamiltonian, 1.0, 0)) == "CHIM771"


def test_magnetisation_of_a_chain_is_within_twice_the_bound():
    h, time = ising(4, 1.0, 1.3), 1.1
    formula = suzuki_trotter([Piece(PauliSum.from_json(h, 4), time)], order=2, steps=9)
    state = unitary(append(blank(4), formula))[:, 0]
    exact = expm(-1j * time * pauli_matrix(h))[:, 0]
    m = pauli_matrix({"IIIZ": 0.25, "IIZI": 0.25, "IZII": 0.25, "ZIII": 0.25})
    difference = abs((state.conj() @ m @ state) - (exact.conj() @ m @ exact))
    assert 0 < difference <= 2 * formula.bound
