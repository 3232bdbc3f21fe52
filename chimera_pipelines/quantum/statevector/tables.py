"""Where states live, and the tables of steps there: equal steps share theirs.

A deep circuit repeats its layers, so tables are held by what they say, not by step: their size does
not grow with depth. `table_bytes` knows it before anything is made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from chimera_pipelines.quantum.statevector.steps import (
    Permutation,
    Phases,
    Program,
    Projector,
    Turn,
    Unitary,
)

_SIGN_ENTRIES = 1 << 22
_WORD = 8  # bytes of an int64, and of a float64


class Tables:
    """Tensors that steps look things up in, each of them once."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Tensor] = {}

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """The table of that key, made where it is new."""
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = make()
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(table.numel() * table.element_size() for table in self._held.values())


@dataclass(frozen=True, slots=True)
class Place:
    """Width, precision and device of the states, and the tables there."""

    num_qubits: int
    dtype: torch.dtype
    device: torch.device
    tables: Tables = field(default_factory=Tables)


def table_bytes(program: Program, dtype: torch.dtype) -> int:
    """Bytes of the tables of a program whose states have that type."""
    n, sizes = program.num_qubits, dict[Hashable, int]()
    for step in program.steps:
        match step:
            case Permutation():
                sizes[step.flips] = sizes[step.flips[::-1]] = _WORD << n
            case Projector():
                sizes["ones", step.mask] = 1 << n
            case Unitary():
                sizes["unitary", step.entries] = len(step.entries) * dtype.itemsize
            case Phases() if not single(step) and (ray := ray_of(step.turns)) is not None:
                sizes["ray", step.masks, ray] = _WORD << n
            case Phases() if has_signs(step, n):
                sizes["signs", step.masks] = (_WORD * len(step.masks)) << n
            case _:
                pass
    return sum(sizes.values())


def single(step: Phases) -> bool:
    """Whether no phase is of more than one qubit."""
    return all(mask.bit_count() <= 1 for mask in step.masks)


def has_signs(step: Phases, num_qubits: int) -> bool:
    """Whether a step keeps a table of signs: for a few strings whose angles are independent."""
    few = len(step.masks) << num_qubits <= _SIGN_ENTRIES
    return few and not single(step) and ray_of(step.turns) is None


def ray_of(turns: tuple[Turn, ...]) -> tuple[float, ...] | None:
    """Ratios of the angles to the largest, if fixed: all follow one parameter, or none does."""
    if all(not turn.terms for turn in turns):
        values = tuple(turn.offset for turn in turns)
    else:
        first = {index for turn in turns for index, _ in turn.terms}
        if len(first) > 1 or any(turn.offset for turn in turns):
            return None
        values = tuple(sum(scale for _, scale in turn.terms) for turn in turns)
    lead = max(values, key=abs)
    return tuple(value / lead for value in values) if lead else None
