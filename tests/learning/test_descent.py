from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.digest import canonical, read_canonical
from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.descent import Descent, descend


def bowl(parameters):
    target = torch.arange(parameters.shape[1], dtype=torch.float64)
    return ((parameters - target) ** 2).sum(1), 2 * (parameters - target)


def test_steps_are_those_of_torchs_adam():
    start = torch.tensor([[3.0, -1.0, 0.2]], dtype=torch.float64)
    theirs = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.07)
    for _ in range(25):
        optimiser.zero_grad()
        bowl(theirs)[0].sum().backward()
        optimiser.step()
    ours = Descent.start(start)
    descend(ours, bowl, iterations=25, rate=0.07)
    assert torch.allclose(ours.parameters, theirs.detach(), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 19), st.integers(1, 3))
def test_a_descent_resumed_anywhere_ends_with_the_same_bits(stop, starts):
    begin = torch.randn((starts, 4), generator=torch.Generator().manual_seed(stop)).double()
    whole = Descent.start(begin)
    descend(whole, bowl, iterations=20, rate=0.1)
    part = Descent.start(begin)
    descend(part, bowl, iterations=stop, rate=0.1)
    text = canonical(part.as_json())
    for again in (
        Descent.from_json(read_canonical(text), starts=starts, size=4),
        Descent.of_tensors(part.tensors()),
    ):
        descend(again, bowl, iterations=20, rate=0.1)
        assert torch.equal(again.parameters, whole.parameters)
        assert again.losses == whole.losses


def test_a_descent_that_stands_still_ends():
    descent = Descent.start(torch.arange(3, dtype=torch.float64)[None])
    assert descend(descent, bowl, iterations=100, rate=0.1, tolerance=1e-9)
    assert descent.iteration == 6
    assert not descend(Descent.start(torch.ones(1, 3)), bowl, iterations=3, rate=0.1)


def test_a_loss_that_is_not_finite_ends_it():
    def broken(parameters):
        return torch.full((1,), math.nan), torch.zeros_like(parameters)

    with pytest.raises(KernelError, match="iteration 1 is not finite"):
        descend(Descent.start(torch.ones(1, 2)), broken, iterations=5, rate=0.1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: None,
        lambda state: {**state, "parameters": [[1.0]]},
        lambda state: {**state, "first": [[math.nan, 0.0]]},
        lambda state: {**state, "iteration": -1},
        lambda state: {**state, "iteration": 4},
        lambda state: {key: state[key] for key in ("parameters", "losses")},
        lambda state: {key: state[key] for key in state if key != "of"},
    ],
)
def test_a_state_that_is_none_is_refused(spoil):
    descent = Descent.start(torch.zeros(1, 2))
    descend(descent, bowl, iterations=2, rate=0.1)
    with pytest.raises(KernelError) as caught:
        Descent.from_json(spoil(descent.as_json()), starts=1, size=2)
    assert caught.value.code == "MAML505"
