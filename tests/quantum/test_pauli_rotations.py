from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.linalg import expm

from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.pauli_rotations import rotation
from tests.quantum.dense import blank, pauli_matrix, unitary


@pytest.mark.parametrize("string", map("".join, itertools.product("IXYZ", repeat=3)))
def test_it_is_the_exponential_of_the_string(string):
    term = Observable(3, ((string, 1.0),)).terms[0]
    if not string.strip("I"):
        assert rotation(term, 0.4) == ()
        return
    made = unitary(blank(3, *rotation(term, 0.4)))
    assert np.abs(made - expm(-0.4j * pauli_matrix({string: 1.0}))).max() < 1e-12


def test_two_equal_letters_take_one_operation():
    term = Observable(3, (("YIY", 1.0),)).terms[0]
    (step,) = rotation(term, 0.4)
    assert (step.name, step.qubits, step.params) == ("ryy", (0, 2), (0.8,))
