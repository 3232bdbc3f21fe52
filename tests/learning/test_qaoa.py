from __future__ import annotations

import itertools

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.qaoa import maxcut, qaoa
from chimera_pipelines.learning.vqe import Descending
from chimera_pipelines.quantum.observables import Observable

EDGES = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [0, 2, 2.5]]


def cut(bits: str) -> float:
    side = bits[::-1]
    return sum((e[2] if len(e) > 2 else 1.0) for e in EDGES if side[e[0]] != side[e[1]])


def test_the_cost_is_minus_the_cut_and_the_best_string_is_the_best_cut():
    found = qaoa(
        maxcut(EDGES, 5), layers=3, options=Descending(iterations=40, rate=0.05), device="cpu"
    )
    best = max(cut("".join(bits)) for bits in itertools.product("01", repeat=5))
    assert found.cost == pytest.approx(-cut(found.bits))
    assert cut(found.bits) == best
    assert found.minimum.energy < found.minimum.descent.losses[0]
    assert sum(found.counts.values()) == 1024
    mean = -sum(cut(bits) * count for bits, count in found.counts.items()) / 1024
    # a mean of 1024 cuts within 0 … 7.5: 12 standard errors of the widest law are 1.4
    assert abs(mean - found.minimum.energy) < 1.4


def test_equal_seeds_give_equal_samples():
    runs = [
        qaoa(maxcut(EDGES, 5), options=Descending(iterations=3, seed=s), device="cpu").counts
        for s in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_cost_that_is_not_diagonal_is_refused():
    with pytest.raises(KernelError, match="'XZ', which is not diagonal"):
        qaoa(Observable.from_json({"ZZ": 1.0, "XZ": 0.5}, 2), device="cpu")


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ([], "empty"),
        ([[0]], "edge 0 is"),
        ([[0, 1], [1, 5]], "edge 1: vertex is 5"),
        ([[0, 1.5]], "edge 0: vertex"),
        ([[2, 2]], "edge 0 joins vertex 2 with itself"),
        ([[0, 1, float("nan")]], "edge 0: weight is nan"),
    ],
)
def test_wrong_edges_are_named(edges, says):
    with pytest.raises(KernelError) as caught:
        maxcut(edges, 5)
    assert says in caught.value.message
    assert caught.value.code == "MAML505"
