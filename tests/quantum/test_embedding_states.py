"""Batched states against circuits that Qiskit multiplies out, row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum import embedding_states
from chimera_pipelines.quantum.embedding import Embedding, _steps
from chimera_pipelines.quantum.embedding_states import overlaps
from tests.quantum.dense import blank, unitary

WIDTH = 4
ROWS = {
    "rx": ("angle", [[0.3, 1.1, -2.0], [5.0, 0.0, 0.4]], {"axis": "rx", "scale": 0.7}),
    "ry": ("angle", [[0.3, 1.1, -2.0, 0.1], [5.0, 0.0, 0.4, 1.0]], {}),
    "rz": ("angle", [[0.3, 1.1], [5.0, 0.0]], {"axis": "rz"}),
    "basis": ("basis", [[1, 0, 1], [0, 0, 0], [0, 1, 1]], {}),
    "iqp": ("iqp", [[0.3, 1.1, -2.0], [1.5, 0.2, 0.4]], {"scale": 1.2}),
    "iqp once": ("iqp", [[0.3, 1.1, -2.0, 0.5]], {"repeats": 1}),
    "amplitude": ("amplitude", [[1e-300, 2e-300, 0.0], [3e300, 1e300, 2e300]], {"pad": "zero"}),
    "complex": (
        "amplitude",
        [[{"re": 1.0, "im": -2.0}, 0.5], [0.0, {"re": 0.0, "im": 1.0}]],
        {"qubits": 1},
    ),
}


def embedding(method, features, options) -> Embedding:
    return Embedding.from_options({"method": method, **options}, features)


def embedded_states(rows: Embedding, num_qubits: int, precision: str = "double") -> torch.Tensor:
    kind = torch.complex128 if rows.method == "amplitude" else torch.float64
    features = torch.tensor([list(row) for row in rows.rows], dtype=kind)
    return embedding_states.embedded_states(rows, features, num_qubits, precision=precision)


@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-12), ("single", 1e-6)])
@pytest.mark.parametrize("case", ROWS.values(), ids=ROWS)
def test_states_are_those_of_the_circuits(case, precision, tolerance):
    rows = embedding(*case)
    made = embedded_states(rows, WIDTH, precision=precision)
    assert made.dtype == (torch.complex128 if precision == "double" else torch.complex64)
    for state, row in zip(made.numpy(), rows.rows, strict=True):
        exact = unitary(blank(WIDTH, *_steps(blank(WIDTH), row, rows)))[:, 0]
        assert np.abs(state - exact).max() < tolerance


def test_overlaps_are_inner_products():
    left = embedded_states(embedding("iqp", [[0.1, 0.2], [0.3, 0.4]], {}), 2)
    right = embedded_states(embedding("iqp", [[0.5, 0.6]], {}), 2)
    expected = [[np.vdot(a, b) for b in right.numpy()] for a in left.numpy()]
    assert np.abs(overlaps(left, right).numpy() - np.array(expected)).max() < 1e-12


BAD = {
    "too many": ("angle", [[0.1] * 5], {}),
    "too many bits": ("basis", [[1] * 5], {}),
    "more qubits than there are": ("angle", [[0.1]], {"qubits": 5}),
    "too few amplitudes": ("amplitude", [[1.0, 2.0]], {}),
    "too many amplitudes": ("amplitude", [[1.0] * 17], {"pad": "zero"}),
    "angles that overflow": ("angle", [[1e300]], {"scale": 1e300}),
    "products that overflow": ("iqp", [[1e300, 1e300]], {}),
    "zero vector among others": ("amplitude", [[1.0, 0.0], [0.0, 0.0]], {"qubits": 1}),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_rows_that_do_not_fit_are_412(case):
    with pytest.raises(KernelError) as caught:
        embedded_states(embedding(*case), WIDTH)
    assert caught.value.code == "MAML412"


def test_features_that_are_no_bits_are_located():
    with pytest.raises(KernelError, match=r"row 1, column 0: 0\.5 is no bit"):
        embedding_states.embedded_states(
            Embedding.of("basis"), torch.tensor([[0.0, 1.0], [0.5, 1.0]]).double(), 2
        )
