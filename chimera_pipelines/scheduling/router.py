"""Which head runs a kernel, first form: by kind and by pin, decided at compile time.

Kernels of one level are spread over the heads that may run them, in the document's order, so that
the same document goes to the same heads in every runner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chimera_pipelines.lifecycle.spec import HeadKind

KIND_OF_HEAD: dict[str, HeadKind] = {
    "HEAD_1": "quantum",
    "HEAD_2": "quantum",
    "HEAD_3": "ai",
    "HEAD_4": "ai",
}
_KIND_OF_TAG: dict[str, HeadKind] = {"qiskit": "quantum", "pytorch": "ai"}


def candidates(tags: Sequence[str], language: str) -> tuple[str, ...]:
    """Heads for which all tags hold (MAML.md §3, head), in ascending order.

    A block that asks for no kind may run on any head; it goes to AI heads, and circuits to quantum
    ones, since only those evolve registers.
    """
    pins = [tag for tag in tags if tag in KIND_OF_HEAD]
    kinds = {_KIND_OF_TAG[tag] for tag in tags if tag in _KIND_OF_TAG}
    if language in ("qiskit", "qasm"):
        kinds.add("quantum")
    elif not kinds and not pins:
        kinds.add("ai")
    heads = pins or list(KIND_OF_HEAD)
    return tuple(head for head in sorted(heads) if all(KIND_OF_HEAD[head] == k for k in kinds))


def spread(
    options: Mapping[str, tuple[str, ...]], levels: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Rotate each kernel's candidates so that kernels of one level start on different heads.

    Args:
        options: candidates by kernel, kernels in document order.
        levels: topological level by kernel.
    """
    used: dict[tuple[int, tuple[str, ...]], int] = {}
    rotated: dict[str, tuple[str, ...]] = {}
    for kernel, heads in options.items():
        turn = used.get((levels[kernel], heads), 0)
        used[levels[kernel], heads] = turn + 1
        at = turn % len(heads) if heads else 0
        rotated[kernel] = heads[at:] + heads[:at]
    return rotated
