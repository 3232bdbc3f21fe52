"""Laws against graphlib and networkx; cycles by their own definition."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml import graph
from chimera_pipelines.maml.code_records import CodeFacts
from tests.maml.kernels import block, kernel

SIZES = st.integers(1, 12)


@st.composite
def digraphs(draw):
    size = draw(SIZES)
    node = st.integers(0, size - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=30))
    needs = {n: [] for n in range(size)}
    for producer, consumer in edges:
        if f"k{producer}" not in needs[consumer]:
            needs[consumer].append(f"k{producer}")
    return {f"k{n}": kernel(f"k{n}", *needs[n]) for n in range(size)}


def has_cycle(kernels):
    try:
        TopologicalSorter({name: k.producers for name, k in kernels.items()}).prepare()
    except CycleError:
        return True
    return False


@given(digraphs())
def test_cycles_are_found_where_graphlib_finds_one(kernels):
    assert bool(graph.cycles(kernels)) == has_cycle(kernels)


@given(digraphs())
def test_each_cycle_is_one(kernels):
    order = list(kernels)
    firsts = []
    for cycle in graph.cycles(kernels):
        assert cycle[0] == cycle[-1]
        assert len(set(cycle[:-1])) == len(cycle) - 1
        for producer, consumer in pairwise(cycle):
            assert producer in kernels[consumer].producers
        firsts.append(order.index(cycle[0]))
    assert firsts == sorted(firsts)


@given(digraphs())
def test_components_are_those_of_networkx(kernels):
    following = graph.consumers(kernels)
    other = networkx.DiGraph(following)
    other.add_nodes_from(kernels)
    ours = {frozenset(members) for members in graph.components(following)}
    assert ours == {frozenset(c) for c in networkx.strongly_connected_components(other)}


def test_one_path_for_each_set_from_the_kernel_that_stands_first():
    kernels = {
        "d": kernel("d", "c"),
        "a": kernel("a", "b"),
        "b": kernel("b", "a", "e"),
        "c": kernel("c", "d"),
        "e": kernel("e", "b"),
        "f": kernel("f", "f"),
        "g": kernel("g", "a"),
    }
    assert graph.cycles(kernels) == [("d", "c", "d"), ("a", "b", "a"), ("f", "f")]


def test_the_path_runs_with_the_data():
    kernels = {"a": kernel("a", "c"), "b": kernel("b", "a"), "c": kernel("c", "b")}
    assert graph.cycles(kernels) == [("a", "b", "c", "a")]


@pytest.mark.parametrize("closed", [True, False])
def test_ten_thousand_kernels_do_not_recurse(closed):
    size = 10_000
    kernels = {f"k{n}": kernel(f"k{n}", f"k{(n or size) - 1}") for n in range(size)}
    if not closed:
        kernels["k0"] = kernel("k0")
    found = graph.cycles(kernels)
    assert [len(cycle) for cycle in found] == ([size + 1] if closed else [])


def test_unknown_producers_are_no_edges():
    assert graph.cycles({"a": kernel("a", "ghost")}) == []


def test_final_kernels_are_read_by_no_other():
    kernels = {
        "a": kernel("a"),
        "b": kernel("b", inputs={"x": "$a.y"}),
        "c": kernel("c", "b"),
    }
    assert graph.final_kernels(kernels) == ("b", "c")


def test_drawing():
    kernels = {
        "a": kernel("a"),
        "b": kernel("b", "c", inputs={"x": "$a.y"}),
        "c": kernel("c", "a", inputs={"x": "$a.y"}),
        "d": kernel("d"),
    }
    assert graph.drawing(kernels) == (
        "%% generated\nflowchart LR\n  a --> b\n  c -.-> b\n  a --> c\n  d"
    )


@pytest.mark.parametrize(
    ("language", "imports", "head", "tags"),
    [
        ("qiskit", (), None, ("qiskit",)),
        ("qasm", (), None, ("qiskit",)),
        ("python", (), None, ()),
        ("python", ("torch",), None, ("pytorch",)),
        ("qiskit", ("torch",), None, ("qiskit",)),
        ("sql", (), None, ()),
        ("python", ("torch",), ["HEAD_1"], ("HEAD_1",)),
        ("qiskit", (), [], ()),
    ],
)
def test_head_tags(language, imports, head, tags):
    options = {} if head is None else {"head": head}
    facts = CodeFacts("run", imports=frozenset(imports))
    inspected = block(language, "")
    from dataclasses import replace

    assert graph.head_tags(kernel("k", **options), replace(inspected, facts=facts)) == tags


@pytest.mark.parametrize(
    ("language", "tags", "heads"),
    [
        ("python", (), (1, 2, 3, 4)),
        ("python", ("cuda", "qec"), (1, 2, 3, 4)),
        ("python", ("pytorch",), (3, 4)),
        ("python", ("qiskit",), (1, 2)),
        ("python", ("HEAD_4", "HEAD_1"), (1, 4)),
        ("python", ("HEAD_1", "pytorch"), ()),
        ("python", ("qiskit", "pytorch"), ()),
        ("qiskit", (), (1, 2)),
        ("qiskit", ("HEAD_1", "HEAD_3"), (1,)),
        ("qiskit", ("HEAD_3",), ()),
        ("qasm", ("pytorch",), ()),
    ],
)
def test_candidate_heads(language, tags, heads):
    expected = tuple(f"HEAD_{n}" for n in heads)
    assert graph.candidate_heads(tags, block(language, "")) == expected


@pytest.mark.parametrize(
    ("qubits", "options", "size"),
    [
        (2, {}, 64),
        (2, {"backend": {"method": "statevector", "precision": "single"}}, 32),
        (2, {"backend": {"method": "density_matrix"}}, 256),
        (2, {"backend": {"method": "stabilizer"}}, None),
        (None, {}, None),
        (None, {"embedding": {"qubits": 3}}, 128),
        (5, {"embedding": {"qubits": 3}}, 512),
        (34, {"backend": {"precision": "single"}}, 2**37),
    ],
)
def test_memory(qubits, options, size):
    assert graph.memory_bytes(kernel("k", **options), CodeFacts(qubits=qubits)) == size


def test_memory_of_absurd_width_is_a_number():
    size = graph.memory_bytes(kernel("k"), CodeFacts(qubits=10**12))
    assert size is not None
    assert size > 2**900
