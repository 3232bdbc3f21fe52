from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.quantum.evolution import Piece, suzuki_trotter
from chimera_pipelines.quantum.evolution_fusion import fuse, zyz
from chimera_pipelines.quantum.hamiltonian import PauliSum
from tests.quantum.dense import PAULI, ising

angles = st.floats(-7, 7)


def turn(letter, angle):
    return np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * PAULI[letter]


@given(angles, angles, angles, angles)
def test_a_gate_is_the_product_of_its_turns(alpha, beta, gamma, delta):
    gate = np.exp(1j * alpha) * turn("Z", beta) @ turn("Y", gamma) @ turn("Z", delta)
    a, b, c, d = zyz(gate)
    again = np.exp(1j * a) * turn("Z", b) @ turn("Y", c) @ turn("Z", d)
    assert np.abs(again - gate).max() < 1e-12


def test_steps_of_a_chain_are_one_phase_and_one_layer_each():
    pieces = [Piece(PauliSum.from_json(ising(5, 1.0, 1.0), 5), 1.0)]
    fused = fuse(suzuki_trotter(pieces, order=2, steps=10))
    assert len(fused.layers) == 10
    assert len(fused.phases) == 11
    assert len(set(fused.layers)) == 1
    assert len(set(fused.phases[1:-1])) == 1
    assert [qubit for qubit, _ in fused.layers[0]] == [0, 1, 2, 3, 4]


def test_what_commutes_is_one_phase():
    pieces = [Piece(PauliSum.from_json({"ZZ": 1.0, "IZ": 0.5}, 2), 1.0)]
    fused = fuse(suzuki_trotter(pieces, order=4, steps=7))
    assert fused.layers == ()
    assert fused.phases == (((1, 0.5), (3, 1.0)),)
