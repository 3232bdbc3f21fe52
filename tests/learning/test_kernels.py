from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.kernels import Encoding, StateMaker, gram


def iqp(x):
    circuit = QuantumCircuit(len(x))
    for _ in range(2):
        circuit.h(range(len(x)))
        for q, value in enumerate(x):
            circuit.rz(value, q)
        for q in range(len(x) - 1):
            circuit.rzz(x[q] * x[q + 1], q, q + 1)
    return Statevector(circuit).data


def rows(count, width, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=(count, width)))


def test_the_gram_matrix_is_that_of_qiskits_states():
    x = rows(7, 4)
    states = np.array([iqp(row) for row in x.numpy()])
    expected = np.abs(states.conj() @ states.T) ** 2
    for precision, tolerance in (("double", 1e-12), ("single", 2e-6)):
        found = gram(x, device="cpu", precision=precision).numpy()
        assert np.abs(found - expected).max() < tolerance


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["angle", "iqp", "amplitude"]), st.integers(1, 6), st.integers(0, 1000))
def test_gram_matrices_are_symmetric_positive_and_bounded(kind, width, seed):
    found = gram(rows(6, width, seed), encoding=Encoding(kind), device="cpu")
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.ones(6, dtype=torch.float64))
    assert float(found.min()) > -1e-12
    assert float(found.max()) < 1 + 1e-12
    assert float(torch.linalg.eigvalsh(found).min()) > -1e-10


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_batches_do_not_change_states(batch, width):
    maker = StateMaker(Encoding(), width, device="cpu", precision="double")
    x = rows(9, width)
    assert torch.allclose(maker.states(x, batch=batch), maker.states(x, batch=1), atol=1e-14)


def test_amplitudes_are_the_rows_normalised():
    x = torch.tensor(
        [[3.0, 4.0, 0.0], [1e-200, 0.0, 0.0], [1e200, 1e200, 0.0]], dtype=torch.float64
    )
    found = gram(x, encoding=Encoding("amplitude"), device="cpu")
    assert found[0, 1] == pytest.approx(0.36)
    assert found[0, 2] == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Encoding("fourier"), "no encoding 'fourier'"),
        (lambda: Encoding(repeats=0), "repeats is 0"),
        (lambda: Encoding(scale=0.0), "scale"),
        (lambda: gram(rows(2, 21), device="cpu"), "21 features need 21 qubits"),
        (
            lambda: gram(torch.zeros(2, 2).double(), encoding=Encoding("amplitude"), device="cpu"),
            "row 0 is a vector of zeros",
        ),
        (lambda: gram(rows(2, 2), device="cpu", precision="half"), "no precision 'half'"),
    ],
)
def test_what_cannot_be_encoded_is_refused(make, says):
    with pytest.raises(KernelError) as caught:
        make()
    assert says in caught.value.message
