from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.quantum import product_formulas
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.product_formulas import (
    merged,
    remainder_weights,
    stages,
    step_constant,
)
from tests.quantum.dense import ising


@given(st.integers(1, 6), st.sampled_from([1, 2, 4]))
def test_every_group_acts_for_the_whole_step(groups, order):
    total: dict[int, float] = defaultdict(float)
    for g, a in stages(groups, order):
        total[g] += a
    assert total == pytest.approx(dict.fromkeys(range(groups), 1.0), abs=1e-12)


@given(st.integers(2, 5), st.sampled_from([2, 4]))
def test_higher_orders_are_symmetric(groups, order):
    formula = stages(groups, order)
    assert [g for g, _ in formula] == [g for g, _ in formula[::-1]]
    assert [a for _, a in formula] == pytest.approx([a for _, a in formula[::-1]])


def test_neighbours_of_one_group_are_taken_together():
    assert merged([(0, 0.5), (1, 1.0), (0, 0.5), (0, 0.5)]) == ((0, 0.5), (1, 1.0), (0, 1.0))


def test_the_constants_are_those_of_the_paper():
    """Childs et al. 2021: propositions 9 and 10, and appendix M for order 4 of H = A + B.

    There words are written outermost first, around [B, A]; A is the group outside.
    """
    paper = {
        1: {"": 1 / 2},
        2: {"A": 1 / 24, "B": 1 / 12},
        4: {
            "AAA": 0.0047,
            "AAB": 0.0057,
            "ABA": 0.0046,
            "ABB": 0.0074,
            "BAA": 0.0097,
            "BAB": 0.0097,
            "BBA": 0.0173,
            "BBB": 0.0284,
        },
    }
    for order, expected in paper.items():
        formula = stages(2, order)
        found: dict[str, float] = defaultdict(float)
        weights = remainder_weights(formula, len(formula) // 2, (1.0, 1.0), order)
        for (word, _), weight in weights.items():
            found["".join("AB"[g] for g in word[:0:-1])] += weight / (order + 1)
        assert found == pytest.approx(expected, abs=5e-5 if order == 4 else 1e-12)


def test_groups_that_commute_err_by_nothing():
    a, b = PauliSum.from_json({"ZI": 1.0}, 2), PauliSum.from_json({"IX": 1.0}, 2)
    assert step_constant([a], 2) == 0.0
    assert [step_constant([a, b], order) for order in (1, 2, 4)] == [0.0] * 3


@pytest.mark.parametrize("order", [1, 2, 4])
def test_coarser_bounds_are_larger(order, monkeypatch):
    groups = [g.hamiltonian for g in PauliSum.from_json(ising(4, 1.0, 0.7), 4).groups()]
    fine = step_constant(groups, order)
    monkeypatch.setattr(product_formulas, "MAX_WORK", 0)
    unnested = step_constant(groups, order)
    monkeypatch.setattr(product_formulas, "MAX_WORDS", 0)
    coarse = step_constant(groups, order)
    assert 0 < fine <= unnested * (1 + 1e-9)
    assert unnested <= coarse * (1 + 1e-9)


def test_the_bound_of_a_chain_grows_with_its_length_and_no_faster():
    """What commutator scaling is about: norms alone would give n^(order + 1)."""
    constants = [
        step_constant(
            [g.hamiltonian for g in PauliSum.from_json(ising(n, 1.0, 1.0), n).groups()], 4
        )
        for n in (20, 40)
    ]
    assert 1.9 < constants[1] / constants[0] < 2.2


def test_order_one_of_two_terms_is_half_the_commutator():
    x, z = PauliSum.from_json({"X": 2.0}, 1), PauliSum.from_json({"Z": 3.0}, 1)
    assert step_constant([x, z], 1) == pytest.approx(0.5 * 2 * 2 * 3)
    assert math.isclose(step_constant([z, x], 1), step_constant([x, z], 1))
    assert np.isfinite(step_constant([x, z], 4))
