from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum import evolution_states
from chimera_pipelines.quantum.evolution import Piece, suzuki_trotter
from chimera_pipelines.quantum.evolution_circuits import append
from chimera_pipelines.quantum.evolution_states import diagonal, evolve, program
from chimera_pipelines.quantum.hamiltonian import PauliSum
from tests.quantum.dense import blank, ising, pauli_matrix, unitary

strings = st.text("IXYZ", min_size=3, max_size=3)
sums = st.dictionaries(strings, st.floats(-1, 1), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(sums, st.floats(-2, 2), st.sampled_from([1, 2, 4]))
def test_fused_states_are_those_of_the_record(given_strings, time, order):
    h = PauliSum.from_json(given_strings, 3)
    formula = suzuki_trotter([Piece(h, time)], order=order, steps=2)
    made = program(formula).evolve(torch.eye(8, dtype=torch.complex128)).numpy().T
    assert np.abs(made - unitary(append(blank(3), formula))).max() < 1e-12


@pytest.mark.parametrize("width", [1, 4, 5, 9, 10])
def test_every_cut_into_blocks_gives_the_same(width):
    h = ising(width, 1.0, 0.8) if width > 1 else {"X": 0.8, "Z": 0.3}
    pieces = [Piece(PauliSum.from_json(h, width), 0.7)]
    state = torch.zeros(1 << width, dtype=torch.complex128)
    state[0] = 1.0
    made = evolve(state, pieces, order=4, steps=12).numpy()
    energies, vectors = np.linalg.eigh(pauli_matrix(h))
    exact = vectors @ (np.exp(-0.7j * energies) * vectors[0].conj())
    bound = suzuki_trotter(pieces, order=4, steps=12).bound
    assert np.linalg.norm(made - exact) <= bound + 1e-12
    assert float(state[0].real) == 1.0


def test_a_batch_evolves_as_its_rows_do():
    generator = torch.Generator().manual_seed(3)
    states = torch.randn(5, 64, dtype=torch.complex128, generator=generator)
    pieces = [Piece(PauliSum.from_json(ising(6, 1.0, 1.0), 6), 0.4)]
    batch = evolve(states, pieces, tolerance=1e-3)
    rows = torch.stack([evolve(row, pieces, tolerance=1e-3) for row in states])
    assert float((batch - rows).abs().max()) < 1e-12


def test_single_precision_is_within_1e_6():
    width = 10
    pieces = [Piece(PauliSum.from_json(ising(width, 1.0, 1.0), width), 1.0)]
    state = torch.zeros(1 << width, dtype=torch.complex128)
    state[0] = 1.0
    double = evolve(state, pieces, steps=10)
    single = evolve(state, pieces, steps=10, precision="single")
    assert single.dtype == torch.complex64
    assert float((double - single).abs().max()) < 1e-6


def test_a_tolerance_is_kept_against_the_exact_exponential():
    h = {"XXI": 0.5, "IYY": 0.7, "ZIZ": -0.4, "IIX": 0.9}
    made = evolve(
        torch.eye(8, dtype=torch.complex128), [Piece(PauliSum.from_json(h, 3), 1.3)], tolerance=1e-4
    )
    error = np.linalg.norm(made.numpy().T - expm(-1.3j * pauli_matrix(h)), 2)
    assert error <= 1e-4


def test_phases_that_are_forgotten_are_made_again(monkeypatch):
    monkeypatch.setattr(evolution_states, "KEPT_PHASES", 1)
    pieces = [Piece(PauliSum.from_json(ising(3, 1.0, 1.0), 3), 0.5)]
    made = program(suzuki_trotter(pieces, order=4, steps=3))
    state = torch.eye(8, dtype=torch.complex128)
    monkeypatch.setattr(evolution_states, "KEPT_PHASES", 8)
    kept = program(suzuki_trotter(pieces, order=4, steps=3))
    assert torch.equal(made.evolve(state), kept.evolve(state))


def test_the_diagonal_is_the_signed_sum():
    found = diagonal(((0b01, 0.5), (0b11, 2.0)), 2, torch.device("cpu"))
    assert found.tolist() == [2.5, -2.5, -1.5, 1.5]


def test_states_of_another_width_and_bad_tolerances_are_refused():
    pieces = [Piece(PauliSum.from_json({"ZZ": 1.0, "XI": 1.0}, 2), 1.0)]
    with pytest.raises(ValueError, match="8 amplitudes for 2 qubits"):
        evolve(torch.zeros(8, dtype=torch.complex128), pieces)
    with pytest.raises(KernelError, match="CHIM771"):
        evolve(torch.zeros(4, dtype=torch.complex128), pieces, tolerance=-1.0)
