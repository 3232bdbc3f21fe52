"""The graph of kernels: edges, cycles, order of drawing, heads and memory (MAML.md §3).

Edges run in the direction of the data, from producer to consumer. Nothing here recurses: a chain
or a cycle of 10,000 kernels costs time in proportion to its edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from chimera_pipelines.maml.code_records import CodeFacts
from chimera_pipelines.maml.document import Block, Kernel
from chimera_pipelines.settings import HEAD_IDS

QUANTUM_HEADS: Final = HEAD_IDS[:2]
AI_HEADS: Final = HEAD_IDS[2:]
QUANTUM_LANGUAGES: Final = frozenset({"qiskit", "qasm"})

# Beyond this many qubits no exact figure is of use, and 2^n would not fit any memory itself.
_COUNTED_QUBITS: Final = 1000


def consumers(kernels: Mapping[str, Kernel]) -> dict[str, list[str]]:
    """For each kernel those that wait for it, in document order; unknown producers are left out."""
    following: dict[str, list[str]] = {name: [] for name in kernels}
    for name, kernel in kernels.items():
        for producer in kernel.producers:
            if producer in following:
                following[producer].append(name)
    return following


def final_kernels(kernels: Mapping[str, Kernel]) -> tuple[str, ...]:
    """Kernels whose output no other kernel reads."""
    read = {
        producer
        for name, kernel in kernels.items()
        for producer in kernel.data_producers
        if producer != name
    }
    return tuple(name for name in kernels if name not in read)


def components(following: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Strongly connected sets (Tarjan 1972) with an explicit stack."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_path: set[str] = set()
    path: list[str] = []
    found: list[list[str]] = []
    for start in following:
        if start in index:
            continue
        work: list[tuple[str, Iterator[str]]] = []
        _enter(start, following, index, low, path, on_path, work)
        while work:
            node, rest = work[-1]
            for successor in rest:
                if successor not in index:
                    _enter(successor, following, index, low, path, on_path, work)
                    break
                if successor in on_path:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_leave(node, path, on_path))
    return found


def _enter(
    node: str,
    following: Mapping[str, Sequence[str]],
    index: dict[str, int],
    low: dict[str, int],
    path: list[str],
    on_path: set[str],
    work: list[tuple[str, Iterator[str]]],
) -> None:
    index[node] = low[node] = len(index)
    path.append(node)
    on_path.add(node)
    work.append((node, iter(following[node])))


def _leave(node: str, path: list[str], on_path: set[str]) -> list[str]:
    position = len(path) - 1
    while path[position] != node:
        position -= 1
    members = path[position:]
    del path[position:]
    on_path.difference_update(members)
    return members


def cycles(kernels: Mapping[str, Kernel]) -> list[tuple[str, ...]]:
    """One shortest cycle for each strongly connected set, in document order of its first kernel.

    It begins and ends with the kernel of the set that stands first: `("a", "b", "a")`.
    """
    following = consumers(kernels)
    position = {name: n for n, name in enumerate(kernels)}
    found = []
    for members in components(following):
        first = min(members, key=position.__getitem__)
        if len(members) > 1 or first in following[first]:
            found.append(_way_back(first, frozenset(members), following))
    return sorted(found, key=lambda cycle: position[cycle[0]])


def _way_back(
    first: str, members: frozenset[str], following: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Breadth first from `first`, inside its set, until an edge leads back to it."""
    came_from: dict[str, str] = {}
    waiting = deque([first])
    while waiting:
        node = waiting.popleft()
        for successor in following[node]:
            if successor == first:
                return _trace(first, node, came_from)
            if successor in members and successor not in came_from:
                came_from[successor] = node
                waiting.append(successor)
    raise AssertionError(f"no cycle through '{first}'")  # a strongly connected set has one


def _trace(first: str, node: str, came_from: Mapping[str, str]) -> tuple[str, ...]:
    steps = [first]
    while node != first:
        steps.append(node)
        node = came_from[node]
    return (first, *reversed(steps))


def drawing(kernels: Mapping[str, Kernel]) -> str:
    """The generated Mermaid text: `-->` for data, `-.->` for order alone."""
    following = consumers(kernels)
    lines = ["%% generated", "flowchart LR"]
    for name, kernel in kernels.items():
        data = set(kernel.data_producers)
        lines += [
            f"  {producer} {'-->' if producer in data else '-.->'} {name}"
            for producer in kernel.producers
        ]
    lines += [f"  {n}" for n, kernel in kernels.items() if not (kernel.producers or following[n])]
    return "\n".join(lines)


def head_tags(kernel: Kernel, block: Block) -> tuple[str, ...]:
    """Tags and `HEAD_n` pins of a kernel: `head` as written, else the default of its block."""
    written = kernel.options.get("head")
    if isinstance(written, list):
        return tuple(str(tag) for tag in written)
    if block.language in QUANTUM_LANGUAGES:
        return ("qiskit",)
    facts = block.facts
    if block.language == "python" and isinstance(facts, CodeFacts) and "torch" in facts.imports:
        return ("pytorch",)
    return ()


def candidate_heads(tags: Iterable[str], block: Block) -> tuple[str, ...]:
    """Heads that hold all the tags and can run the block, in ascending order.

    `cuda` and `qec` say nothing of which head: that is known where the heads are. A qiskit or qasm
    block needs a quantum head whatever the tags.
    """
    wanted = set(tags)
    pins = wanted.intersection(HEAD_IDS)
    heads = set(pins or HEAD_IDS)
    if "qiskit" in wanted or block.language in QUANTUM_LANGUAGES:
        heads.intersection_update(QUANTUM_HEADS)
    if "pytorch" in wanted:
        heads.intersection_update(AI_HEADS)
    return tuple(head for head in HEAD_IDS if head in heads)


def memory_bytes(kernel: Kernel, facts: CodeFacts) -> int | None:
    """Bytes of the state that the kernel's engine holds, None when the text does not tell.

    2^n amplitudes (4^n for a density matrix) of 8 bytes in single and 16 in double precision.
    `automatic` is counted as a state vector; the other methods depend on the circuit.
    """
    backend = _mapping(kernel.options.get("backend"))
    method = backend.get("method", "automatic")
    qubits = _qubits(kernel, facts)
    if qubits is None or method not in ("automatic", "statevector", "density_matrix"):
        return None
    levels = qubits * (2 if method == "density_matrix" else 1)
    amplitude = 8 if backend.get("precision") == "single" else 16
    return amplitude << min(levels, _COUNTED_QUBITS)


def _qubits(kernel: Kernel, facts: CodeFacts) -> int | None:
    embedded = _mapping(kernel.options.get("embedding")).get("qubits")
    known = [n for n in (facts.qubits, embedded) if isinstance(n, int)]
    return max(known, default=None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
