from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines import blocks
from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.kernels import StateMaker, gram
from chimera_pipelines.quantum.embedding import AXES, METHODS, Embedding, overlap_circuit
from tests.quantum.dense import unitary


def rows(count, width, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=(count, width)))


@st.composite
def embeddings(draw):
    """An embedding of a document, and rows that it takes."""
    method = draw(st.sampled_from(METHODS))
    number = st.integers(0, 1) if method == "basis" else st.floats(0.125, 4.0)
    width = draw(st.integers(1, 4))
    row = st.lists(number, min_size=width, max_size=width)
    options = {
        "axis": draw(st.sampled_from(AXES)),
        "scale": draw(st.sampled_from([-0.7, 1.0, 1.6])),
        "repeats": draw(st.integers(1, 3)),
        "pad": "zero",
    }
    if draw(st.booleans()):
        options = {"pad": "zero"}
    return method, options, draw(st.lists(row, min_size=1, max_size=3))


@settings(max_examples=60, deadline=None)
@given(embeddings())
def test_a_kernel_is_the_squared_overlap_of_the_states_of_a_documents_embedding(case):
    method, options, features = case
    embedding = Embedding.from_options({"method": method, **options}, features)
    width = len(features[0])
    if method == "amplitude":
        width = max(1, (width - 1).bit_length())
    expected = [
        [abs(unitary(overlap_circuit(embedding, a, b, width))[0, 0]) ** 2 for b in embedding.rows]
        for a in embedding.rows
    ]
    for others in (None, features):
        found = blocks.kernel_matrix(features, others, embedding=method, device="cpu", **options)
        assert np.abs(np.array(found) - expected).max() < 1e-9
    single = gram(torch.tensor(features).double(), embedding=embedding, precision="single")
    assert np.abs(single.numpy() - expected).max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["angle", "iqp", "amplitude"]), st.integers(1, 6), st.integers(0, 1000))
def test_gram_matrices_are_symmetric_positive_and_bounded(method, width, seed):
    found = gram(rows(6, width, seed), embedding=Embedding.of(method, pad="zero"), device="cpu")
    assert torch.equal(found, found.T)
    assert torch.equal(found.diagonal(), torch.ones(6, dtype=torch.float64))
    assert float(found.min()) > -1e-12
    assert float(found.max()) < 1 + 1e-12
    assert float(torch.linalg.eigvalsh(found).min()) > -1e-10


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_batches_do_not_change_states(batch, width):
    maker = StateMaker(Embedding.of("iqp"), width, device="cpu", precision="double")
    x = rows(9, width)
    assert torch.allclose(maker.states(x, batch=batch), maker.states(x, batch=1), atol=1e-14)


def test_amplitudes_are_the_rows_normalised():
    x = torch.tensor(
        [[3.0, 4.0, 0.0], [1e-200, 0.0, 0.0], [1e200, 1e200, 0.0]], dtype=torch.float64
    )
    found = gram(x, embedding=Embedding.of("amplitude", pad="zero"), device="cpu")
    assert found[0, 1] == pytest.approx(0.36)
    assert found[0, 2] == pytest.approx(0.98)


def test_an_unknown_method_and_axis_say_which_there_are():
    with pytest.raises(KernelError) as method:
        Embedding.of("fourier")
    assert method.value.hint == "one of angle, amplitude, basis, iqp"
    with pytest.raises(KernelError) as axis:
        Embedding.of("angle", axis="r")
    assert axis.value.hint == "one of rx, ry, rz"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Embedding.of("fourier"), "embedding method 'fourier'"),
        (lambda: Embedding.of("iqp", repeats=0), "embedding with 0 repeats"),
        (lambda: Embedding.of("angle", axis="r"), "around 'r'"),
        (lambda: Embedding.of("angle", scale="1"), "'1' is no finite number"),
        (lambda: Embedding.of("amplitude", pad="one"), "pad 'one'"),
        (lambda: gram(rows(2, 21), embedding=Embedding.of("angle")), "21 features need 21 qubits"),
        (lambda: gram(rows(2, 3), embedding=Embedding.of("amplitude")), "3 amplitudes for 2"),
        (lambda: gram(rows(2, 3), embedding=Embedding.of("basis")), "is no bit"),
        (
            lambda: gram(torch.zeros(2, 2).double(), embedding=Embedding.of("amplitude")),
            "row 0 is a vector of zeros",
        ),
        (
            lambda: gram(rows(2, 2), embedding=Embedding.of("iqp"), precision="half"),
            "no precision 'half'",
        ),
    ],
)
def test_what_cannot_be_embedded_is_refused(make, says):
    with pytest.raises(KernelError) as caught:
        make()
    assert says in caught.value.message
