from __future__ import annotations

import graphlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.errors import ExitCode, GraphError, UsageError
from chimera_pipelines.scheduling import levels as module
from chimera_pipelines.scheduling.levels import Method, group_levels, topological_levels

METHODS: tuple[Method, ...] = ("sequential", "parallel", "auto")


def _by_graphlib(n: int, edges: list[tuple[int, int]]) -> list[int]:
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter(
        dict.fromkeys(range(n), ())
    )
    for source, target in edges:
        sorter.add(target, source)
    sorter.prepare()
    levels, level = [0] * n, 0
    while sorter.is_active():
        ready = sorter.get_ready()
        for node in ready:
            levels[node] = level
        sorter.done(*ready)
        level += 1
    return levels


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Random edges that go up a random order, so acyclic; doubled edges included."""
    n = draw(st.integers(1, 40))
    order = draw(st.permutations(range(n)))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])
    edges = draw(st.lists(pairs, max_size=80)) if n > 1 else []
    return n, [(order[a], order[b]) for a, b in edges]


@given(_graphs(), st.sampled_from(METHODS))
@settings(deadline=None)
def test_levels_are_those_of_graphlib(
    graph: tuple[int, list[tuple[int, int]]], method: Method
) -> None:
    n, edges = graph
    sources, targets = [a for a, _ in edges], [b for _, b in edges]
    assert topological_levels(n, sources, targets, method=method) == _by_graphlib(n, edges)


@given(_graphs(), st.integers(0, 6), st.integers(1, 8))
@settings(deadline=None)
def test_the_switch_to_sequential_keeps_the_answer(
    graph: tuple[int, list[tuple[int, int]]], patience: int, narrow: int
) -> None:
    n, edges = graph
    sources, targets = [a for a, _ in edges], [b for _, b in edges]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PARALLEL_NODES", 0)
        patch.setattr(module, "IMPORT_NODES", 0)
        patch.setattr(module, "_PATIENCE", patience)
        patch.setattr(module, "_NARROW", narrow)
        assert topological_levels(n, sources, targets) == _by_graphlib(n, edges)


@pytest.mark.parametrize("method", METHODS)
def test_a_large_graph_of_every_width(method: Method) -> None:
    generator = np.random.default_rng(7)
    n = 20_000
    order = generator.permutation(n)
    ends = np.sort(generator.integers(0, n, (3 * n, 2)), axis=1)
    ends = ends[ends[:, 0] < ends[:, 1]]
    chain = np.stack((np.arange(n - 5000, n - 1), np.arange(n - 4999, n)), axis=1)
    edges = order[np.concatenate((ends, chain))]
    found = topological_levels(n, edges[:, 0], edges[:, 1], method=method)
    assert found == _by_graphlib(n, [(a, b) for a, b in edges.tolist()])


@pytest.mark.parametrize("method", METHODS)
def test_a_chain_has_a_level_for_each_node(method: Method) -> None:
    n = 10_000 if method != "parallel" else 500
    found = topological_levels(n, range(n - 1), range(1, n), method=method)
    assert found == list(range(n))


@pytest.mark.parametrize("method", METHODS)
def test_cycles_are_refused_with_the_nodes_that_are_left(method: Method) -> None:
    with pytest.raises(GraphError, match="4 nodes have no level: 1, 2, 3, 4") as caught:
        topological_levels(6, [0, 1, 2, 3, 3], [1, 2, 3, 1, 4], method=method)
    assert caught.value.exit_code is ExitCode.GRAPH_INVALID
    n = 5000
    with pytest.raises(GraphError, match=r"5000 nodes.* and 4990 more"):
        topological_levels(n, range(n), [*range(1, n), 0], method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("edge", [(0, 3), (3, 0), (-1, 0), (0, -1)])
def test_edges_that_end_nowhere_are_refused(method: Method, edge: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="of 3 nodes"):
        topological_levels(3, [edge[0]], [edge[1]], method=method)


@pytest.mark.parametrize("method", METHODS)
def test_small_graphs(method: Method) -> None:
    assert topological_levels(0, [], [], method=method) == []
    assert topological_levels(2, [], [], method=method) == [0, 0]
    assert topological_levels(3, [0, 0], [2, 2], method=method) == [0, 0, 1]
    with pytest.raises(UsageError, match="1 sources and 0 targets"):
        topological_levels(1, [0], [], method=method)


def test_groups_are_levels_in_order() -> None:
    assert group_levels([0, 2, 1, 0]) == [[0, 3], [2], [1]]
    assert group_levels([]) == []


def test_a_small_graph_is_sorted_without_torch() -> None:
    script = (
        "import sys; from chimera_pipelines.scheduling.levels import topological_levels;"
        "topological_levels(1000, range(999), range(1, 1000)); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
