"""The steps of a parametrised program, as plain data; nothing here imports PyTorch.

A program is a list of steps over angles, and every angle is `offset + sum of scale * parameter`,
so that parameters may be shared (QAOA) or absent (a bound circuit). Each kind of step is what one
pass over the state can do: a layer of rotations about one axis, a diagonal, a permutation of basis
states, a rotation about a Pauli string, a small dense matrix. Bit q of an index is qubit q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Turn:
    """An angle in radians: `offset + sum(scale * parameters[index])` over `terms`."""

    offset: float = 0.0
    terms: tuple[tuple[int, float], ...] = ()

    def __add__(self, other: Turn) -> Turn:
        merged = dict(self.terms)
        for index, scale in other.terms:
            merged[index] = merged.get(index, 0.0) + scale
        return Turn(self.offset + other.offset, tuple(merged.items()))

    def __mul__(self, factor: float) -> Turn:
        terms = tuple((index, scale * factor) for index, scale in self.terms)
        return Turn(self.offset * factor, terms)

    __rmul__ = __mul__

    def __neg__(self) -> Turn:
        return self * -1.0

    def __sub__(self, other: Turn) -> Turn:
        return self + -other


def parameter(index: int, scale: float = 1.0) -> Turn:
    """The angle `scale * parameters[index]`."""
    return Turn(0.0, ((index, scale),))


@dataclass(frozen=True, slots=True)
class Rotations:
    """exp(-i a_q P/2) on each qubit of `qubits`, P being X or Y; an angle a qubit."""

    axis: Literal["x", "y"]
    qubits: tuple[int, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Phases:
    """exp(-i/2 sum_t a_t Z^mask_t): a diagonal. Mask 0 is the global phase exp(-i a/2)."""

    masks: tuple[int, ...]
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        if list(self.masks) != sorted(set(self.masks)):
            raise ValueError(f"masks {self.masks!r} are not in ascending order")


@dataclass(frozen=True, slots=True)
class Projector:
    """exp(i a) where all qubits of `mask` are 1: the controlled phase on many qubits."""

    mask: int
    turns: tuple[Turn]


@dataclass(frozen=True, slots=True)
class PauliRotation:
    """exp(-i a P/2) with P = i^|x and z| X^x Z^z, a Pauli string given by masks."""

    x: int
    z: int
    turns: tuple[Turn]


@dataclass(frozen=True, slots=True)
class Permutation:
    """Flips of a target bit where all bits of a mask of controls are 1, in order (X, CX, MCX)."""

    flips: tuple[tuple[int, int], ...]
    turns: tuple[()] = ()


@dataclass(frozen=True, slots=True)
class Unitary:
    """A dense matrix, row by row; qubits[0] is the lowest bit of its indices."""

    qubits: tuple[int, ...]
    entries: tuple[complex, ...]
    turns: tuple[()] = ()


Step: TypeAlias = Rotations | Phases | Projector | PauliRotation | Permutation | Unitary


def support(step: Step) -> int:
    """Mask of the qubits that a step touches; a global phase touches none."""
    match step:
        case Rotations() | Unitary():
            return sum(1 << qubit for qubit in set(step.qubits))
        case Phases():
            mask = 0
            for item in step.masks:
                mask |= item
            return mask
        case Projector():
            return step.mask
        case PauliRotation():
            return step.x | step.z
        case Permutation():
            mask = 0
            for controls, target in step.flips:
                mask |= controls | 1 << target
            return mask


@dataclass(frozen=True, slots=True)
class Program:
    """Steps over `num_qubits` qubits and `num_parameters` parameters, from |0...0>."""

    num_qubits: int
    num_parameters: int
    steps: tuple[Step, ...]
