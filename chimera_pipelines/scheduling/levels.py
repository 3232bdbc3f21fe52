"""Topological levels of a kernel graph: a node's level is the longest path that ends in it.

Two ways with the same answer, chosen by the shape of the graph (evidence/performance.md §10):

* *sequential*: Kahn's queue over a compressed adjacency, plain Python. Its cost is a node and an
  edge at a time, whatever the depth: right for small graphs and for deep ones (chains).
* *parallel*: one step a level, on torch tensors of one device. The frontier's out-edges are
  gathered through a prefix sum over their counts, in-degrees fall by one scatter, and nodes that
  reach zero are the next frontier. Its cost is about 0.1 ms a level whatever the width: right for
  large shallow graphs.

`auto` starts in parallel only above `PARALLEL_NODES` and hands what is left to the sequential way
when the frontier stays narrow; torch is not imported for it below `IMPORT_NODES`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chimera_pipelines.errors import GraphError, UsageError

if TYPE_CHECKING:
    import torch

Method: TypeAlias = Literal["auto", "sequential", "parallel"]
Ends: TypeAlias = "Sequence[int] | Any"

PARALLEL_NODES = 4096
# Importing torch takes as long as the sequential way takes for about so many nodes.
IMPORT_NODES = 1 << 20
# A level costs about what the sequential way needs for this many nodes; after that many narrow
# levels in a row the rest of the graph is taken to be deep.
_NARROW = 128
_PATIENCE = 16
_NAMED = 10


def topological_levels(
    n: int,
    sources: Ends,
    targets: Ends,
    *,
    device: str | None = None,
    method: Method = "auto",
) -> list[int]:
    """The level of each node, 0 for those without a predecessor.

    Args:
        n: number of nodes; nodes are 0 … n − 1.
        sources: source of each edge: a sequence, an integer array or an integer tensor, [edges].
        targets: target of each edge, likewise. Doubled edges count once.
        device: torch device of the parallel way; default `cpu`.
        method: `auto` chooses by size and, while it runs, by shape.

    Raises:
        GraphError: MAML405, the graph has a cycle; the message names nodes that are left.
        UsageError: CHIM210, an edge ends at no node, or the ends differ in number.
    """
    if len(sources) != len(targets):
        raise UsageError("CHIM210", f"{len(sources)} sources and {len(targets)} targets")
    least = PARALLEL_NODES if "torch" in sys.modules else IMPORT_NODES
    if method == "sequential" or (method == "auto" and n < least and device is None):
        return _sequential(n, _as_list(sources), _as_list(targets))
    return _parallel(n, sources, targets, device or "cpu", patient=method == "parallel")


def group_levels(levels: Sequence[int]) -> list[list[int]]:
    """Nodes by level, in ascending order within each."""
    groups: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
    for node, level in enumerate(levels):
        groups[level].append(node)
    return groups


def _as_list(ends: Ends) -> list[int]:
    return ends.tolist() if hasattr(ends, "tolist") else list(ends)


def _sequential(n: int, sources: list[int], targets: list[int]) -> list[int]:
    _check_ends(n, (min(sources, default=0), min(targets, default=0)), sources, targets)
    degrees = [0] * n
    for target in targets:
        degrees[target] += 1
    starts, heads = _compressed(n, sources, targets)
    ready = [node for node in range(n) if not degrees[node]]
    return _drain(starts, heads, degrees, [0] * n, ready)


def _check_ends(
    n: int, least: tuple[int, int], sources: Sequence[int], targets: Sequence[int]
) -> None:
    most = max(max(sources, default=-1), max(targets, default=-1))
    if min(least) < 0 or most >= n:
        wrong = min(least) if min(least) < 0 else most
        raise UsageError("CHIM210", f"an edge ends at node {wrong} of a graph of {n} nodes")


def _compressed(n: int, sources: list[int], targets: list[int]) -> tuple[list[int], list[int]]:
    """Compressed adjacency: the targets of node v are heads[starts[v] : starts[v + 1]]."""
    counts = [0] * (n + 1)
    for source in sources:
        counts[source + 1] += 1
    starts = list(accumulate(counts))
    free = starts[:]
    heads = [0] * len(targets)
    for source, target in zip(sources, targets, strict=True):
        heads[free[source]] = target
        free[source] += 1
    return starts, heads


def _drain(
    starts: list[int], heads: list[int], degrees: list[int], levels: list[int], ready: list[int]
) -> list[int]:
    """Kahn's queue: `ready` grows while it is read.

    It is read level by level, so the predecessor that frees a node is one of its deepest, and that
    one alone decides the node's level; also when shallower ones were done in parallel before.
    """
    for node in ready:
        following = levels[node] + 1
        for target in heads[starts[node] : starts[node + 1]]:
            degrees[target] -= 1
            if not degrees[target]:
                levels[target] = following
                ready.append(target)
    if any(degrees):
        _refuse([node for node, degree in enumerate(degrees) if degree])
    return levels


def _refuse(left: list[int]) -> None:
    names = ", ".join(str(node) for node in left[:_NAMED])
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    raise GraphError(
        "MAML405",
        f"the graph has a cycle; {len(left)} nodes have no level: {names}{more}",
        hint="iteration is a kernel's feedback, not a cycle",
    )


def _parallel(n: int, sources: Ends, targets: Ends, device: str, *, patient: bool) -> list[int]:
    import torch

    tail = torch.as_tensor(sources, dtype=torch.int64, device=device)
    head = torch.as_tensor(targets, dtype=torch.int64, device=device)
    if tail.numel():
        ends = torch.stack(
            (torch.minimum(tail.min(), head.min()), torch.maximum(tail.max(), head.max()))
        )
        low, high = ends.tolist()
        _check_ends(n, (low, low), [high], [high])
    starts = torch.zeros(n + 1, dtype=torch.int64, device=device)
    torch.cumsum(torch.bincount(tail, minlength=n), 0, out=starts[1:])
    heads = head[torch.argsort(tail)]
    degrees = torch.bincount(head, minlength=n)
    levels = torch.zeros(n, dtype=torch.int64, device=device)
    frontier = torch.nonzero(degrees == 0).squeeze(1)
    places = torch.empty_like(levels)
    narrow = level = seen = 0
    while frontier.numel():
        levels[frontier] = level
        seen += frontier.numel()
        narrow = narrow + 1 if frontier.numel() < _NARROW else 0
        if narrow > _PATIENCE and not patient:
            rest = (starts, heads, degrees, levels, frontier)
            return _drain(*(tensor.tolist() for tensor in rest))
        frontier = _next_frontier(starts, heads, degrees, frontier, places)
        level += 1
    if seen < n:
        _refuse(torch.nonzero(degrees > 0).squeeze(1).tolist())
    return levels.tolist()


def _next_frontier(
    starts: torch.Tensor,
    heads: torch.Tensor,
    degrees: torch.Tensor,
    frontier: torch.Tensor,
    places: torch.Tensor,
) -> torch.Tensor:
    """Takes the frontier's out-edges off `degrees`; gives the nodes that have none left, once each.

    `places` is scratch, [n].
    """
    import torch

    first = starts[frontier]
    counts = starts[frontier + 1] - first
    ends = torch.cumsum(counts, 0)
    total = int(ends[-1])
    # Edge k of node i stands at first[i] + k; the prefix sum turns that into one flat range.
    offsets = torch.repeat_interleave(first - ends + counts, counts, output_size=total)
    reached = heads[offsets + torch.arange(total, device=heads.device)]
    degrees.index_add_(0, reached, torch.full_like(reached, -1))
    freed = reached[degrees[reached] == 0]
    # A node stands in `freed` once for each edge: of the places written to it, one remains.
    order = torch.arange(freed.numel(), device=heads.device)
    places[freed] = order
    return freed[places[freed] == order]
