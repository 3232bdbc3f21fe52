"""Topological levels of a graph against rustworkx and graphlib.

    python -m benchmarks.levels [--nodes 1000000] [--device cpu] [--without graphlib]

Each engine starts from two integer arrays (sources, targets) and ends with the level of every node;
building its own graph form is part of the time, and is given apart. Three shapes, about 3 edges a
node: shallow (12 levels), sqrt (about sqrt n levels), chain (n levels). On the CPU one thread is
used and CPU seconds are counted, which other load disturbs least; on a GPU wall seconds.
"""

from __future__ import annotations

import argparse
import gc
import graphlib
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import rustworkx
import torch

from benchmarks import report
from chimera_pipelines.scheduling.levels import topological_levels

CLOCK: Callable[[], float] = time.process_time
Ends = npt.NDArray[np.int64]
Timed = tuple[list[int], float, float]  # levels, seconds to build, seconds in all


def graph(n: int, shape: str, seed: int = 0) -> tuple[Ends, Ends]:
    """Edges of a random graph of one shape; names are shuffled, so order gives nothing away."""
    generator = np.random.default_rng(seed)
    names = generator.permutation(n)
    if shape == "chain":
        return names[:-1], names[1:]
    depth = 12 if shape == "shallow" else int(np.sqrt(n)) + 1
    level = np.sort(generator.integers(0, depth, n))
    start = np.searchsorted(level, np.arange(depth + 1))
    node = np.arange(start[1], n)
    ends = []
    for edge in range(3):
        low = start[level[node] - 1] if edge == 0 else np.zeros_like(node)
        span = start[level[node]] - low
        source = low + (generator.random(node.size) * span).astype(np.int64)
        ends.append((source[span > 0], node[span > 0]))
    return (
        names[np.concatenate([source for source, _ in ends])],
        names[np.concatenate([target for _, target in ends])],
    )


def ours(device: str, n: int, sources: Ends, targets: Ends) -> Timed:
    started = CLOCK()
    tail, head = torch.from_numpy(sources).to(device), torch.from_numpy(targets).to(device)
    built = CLOCK() - started
    levels = topological_levels(n, tail, head, device=device)
    return levels, built, CLOCK() - started


def with_rustworkx(n: int, sources: Ends, targets: Ends) -> Timed:
    started = CLOCK()
    dag = rustworkx.PyDiGraph(multigraph=True)
    dag.add_nodes_from(range(n))
    dag.add_edges_from_no_data(list(zip(sources.tolist(), targets.tolist(), strict=True)))
    built = CLOCK() - started
    levels = [0] * n
    for level, nodes in enumerate(rustworkx.topological_generations(dag)):
        for node in nodes:
            levels[node] = level
    return levels, built, CLOCK() - started


def with_graphlib(n: int, sources: Ends, targets: Ends) -> Timed:
    started = CLOCK()
    before: dict[int, list[int]] = {node: [] for node in range(n)}
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        before[target].append(source)
    sorter = graphlib.TopologicalSorter(before)
    sorter.prepare()
    built = CLOCK() - started
    levels, level = [0] * n, 0
    while sorter.is_active():
        ready = sorter.get_ready()
        for node in ready:
            levels[node] = level
        sorter.done(*ready)
        level += 1
    return levels, built, CLOCK() - started


def measure(
    n: int, shape: str, engines: dict[str, Callable[..., Timed]], runs: int
) -> dict[str, object]:
    sources, targets = graph(n, shape)
    row: dict[str, object] = {"nodes": n, "edges": len(sources), "shape": shape}
    wanted: list[int] | None = None
    for name, engine in engines.items():
        report.progress(f"{shape}: {name}")
        times = []
        for _ in range(runs if name != "graphlib" else 1):
            gc.collect()
            levels, built, seconds = engine(n, sources, targets)
            times.append((seconds, built))
            wanted = wanted or levels
            assert levels == wanted, f"{name} disagrees on {shape}"
        row[f"{name}_s"], row[f"{name}_build_s"] = min(times)
    assert wanted is not None
    row["levels"] = max(wanted) + 1
    return row | ratios(row, [name for name in engines if name != "chimera"])


def ratios(row: dict[str, object], others: list[str]) -> dict[str, float]:
    """How many times longer the others take: in all, and their sorting alone without building."""
    figures = {name: value for name, value in row.items() if isinstance(value, float)}
    mine = figures["chimera_s"]
    found = {}
    for name in others:
        found[f"{name}/chimera"] = figures[f"{name}_s"] / mine
        found[f"{name}_sort/chimera"] = (figures[f"{name}_s"] - figures[f"{name}_build_s"]) / mine
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], help="leave an engine out")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    else:
        globals()["CLOCK"] = time.perf_counter
    engines: dict[str, Callable[..., Timed]] = {
        "chimera": lambda n, s, t: ours(options.device, n, s, t),
        "rustworkx": with_rustworkx,
        "graphlib": with_graphlib,
    }
    for name in options.without:
        del engines[name]
    ours(options.device, 10_000, *graph(10_000, "shallow"))  # warms torch up
    shapes = ("shallow", "sqrt", "chain")
    rows = [measure(options.nodes, shape, engines, options.runs) for shape in shapes]
    report.publish(
        "levels", rows, packages=("torch", "rustworkx", "numpy"), note=f"device {options.device}"
    )


if __name__ == "__main__":
    main()
