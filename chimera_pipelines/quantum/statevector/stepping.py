"""Each kind of step with its tables on a device: forwards, backwards, and its derivatives.

`slopes` reads d<H>/da = 2 Re <image| -iG |state> for the generator G of each angle, where `state`
is what the step left and `image` is H|final> brought back to the same place.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from chimera_pipelines.quantum.statevector import kernels
from chimera_pipelines.quantum.statevector.diagonals import DiagonalStep, ProjectorStep
from chimera_pipelines.quantum.statevector.overlaps import pauli_slope, rotation_slopes
from chimera_pipelines.quantum.statevector.steps import (
    PauliRotation,
    Permutation,
    Phases,
    Program,
    Projector,
    Rotations,
    Step,
    Unitary,
)
from chimera_pipelines.quantum.statevector.tables import Place


class Prepared(Protocol):
    """A step that can run. `columns` are its angles' columns, None where it has none."""

    columns: slice | None

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        ...

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        ...

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """Derivatives (b, angles of the step)."""
        ...


class Angles:
    """All angles of a program from its parameters, and derivatives the other way."""

    def __init__(self, program: Program, device: torch.device) -> None:
        rows: list[int] = []
        params: list[int] = []
        scales: list[float] = []
        offsets: list[float] = []
        self.columns: list[slice | None] = []
        self.learned: list[bool] = []
        for step in program.steps:
            first = len(offsets)
            for turn in step.turns:
                for index, scale in turn.terms:
                    rows.append(len(offsets))
                    params.append(index)
                    scales.append(scale)
                offsets.append(turn.offset)
            self.columns.append(slice(first, len(offsets)) if step.turns else None)
            self.learned.append(any(turn.terms for turn in step.turns))
        self._rows = torch.tensor(rows, dtype=torch.int64, device=device)
        self._params = torch.tensor(params, dtype=torch.int64, device=device)
        self._scales = torch.tensor(scales, dtype=torch.float64, device=device)
        self._offsets = torch.tensor(offsets, dtype=torch.float64, device=device)
        self._count = program.num_parameters
        self.turned = torch.unique(self._rows)  # columns that a parameter turns

    def of(self, parameters: Tensor) -> Tensor:
        """Angles (b, A) of parameters (b, P)."""
        base = self._offsets.expand(parameters.shape[0], -1)
        return base.index_add(1, self._rows, parameters[:, self._params] * self._scales)

    def back(self, slopes: Tensor) -> Tensor:
        """Derivatives by parameters (b, P) from those by angles (b, A)."""
        out = slopes.new_zeros(slopes.shape[0], self._count)
        return out.index_add(1, self._params, slopes[:, self._rows] * self._scales)


def prepared(step: Step, place: Place, columns: slice | None) -> Prepared:
    """The step with its tables."""
    match step:
        case Rotations():
            return RotationStep(step, place, columns)
        case Phases():
            return DiagonalStep(step, place, columns)
        case Projector():
            return ProjectorStep(step, place, columns)
        case PauliRotation():
            return PauliStep(step, place, columns)
        case Permutation():
            return PermutationStep(step, place)
        case Unitary():
            return UnitaryStep(step, place)


class RotationStep:
    """A layer of rotations, block by block; blocks that the layer does not touch are skipped."""

    def __init__(self, step: Rotations, place: Place, columns: slice | None) -> None:
        self.columns = columns
        self._axis, self._place = step.axis, place
        self._qubits = torch.tensor(step.qubits, dtype=torch.int64, device=place.device)
        touched = set(step.qubits)
        self._blocks = [
            (low, width)
            for low, width in kernels.blocks(place.num_qubits)
            if touched & set(range(low, low + width))
        ]
        self._full = step.qubits == tuple(range(place.num_qubits))

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return self._turned(state, angles, 0.5)

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return self._turned(state, angles, -0.5)

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """Derivatives by the angles of the step."""
        found = rotation_slopes(image, state, self._blocks, self._place.num_qubits, self._axis)
        return found[:, self._qubits]

    def _turned(self, state: Tensor, angles: Tensor, factor: float) -> Tensor:
        own = angles[:, self.columns] * factor
        if not self._full:
            wide = own.new_zeros(own.shape[0], self._place.num_qubits)
            own = wide.index_copy(1, self._qubits, own)
        real = kernels.real_dtype(self._place.dtype)
        cos, sin = torch.cos(own).to(real), torch.sin(own).to(real)
        for low, width in self._blocks:
            part = slice(low, low + width)
            matrix = kernels.kronecker(cos[:, part], sin[:, part], self._axis)
            state = kernels.apply_block(state, matrix, low)
        return state


class PauliStep:
    """exp(-i a P/2) = cos(a/2) - i sin(a/2) P."""

    def __init__(self, step: PauliRotation, place: Place, columns: slice | None) -> None:
        self.columns = columns
        self._x, self._z, self._place = step.x, step.z, place

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return self._turned(state, angles, 0.5)

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return self._turned(state, angles, -0.5)

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """Derivatives by the angles of the step."""
        return pauli_slope(image, state, self._x, self._z, self._place.num_qubits)

    def _turned(self, state: Tensor, angles: Tensor, factor: float) -> Tensor:
        own = angles[:, self.columns] * factor
        cos, sin = (f(own).to(self._place.dtype) for f in (torch.cos, torch.sin))
        image = kernels.apply_pauli(state, self._x, self._z, self._place.num_qubits)
        return state * cos - image * (1j * sin)


class PermutationStep:
    """Basis states change places: one gather."""

    columns: slice | None = None

    def __init__(self, step: Permutation, place: Place) -> None:
        self._forwards = _source(step.flips, place)
        self._backwards = _source(step.flips[::-1], place)

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return state.index_select(1, self._forwards)

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return state.index_select(1, self._backwards)

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """Derivatives by the angles of the step."""
        return image.real[:, :0]


def _source(flips: tuple[tuple[int, int], ...], place: Place) -> Tensor:
    width, device = place.num_qubits, str(place.device)
    return place.tables.get(flips, lambda: kernels.source_index(flips, width, device))


class UnitaryStep:
    """A dense matrix on a few qubits."""

    columns: slice | None = None

    def __init__(self, step: Unitary, place: Place) -> None:
        self._matrix = place.tables.get(
            ("unitary", step.entries), lambda: _matrix(step.entries, place)
        )
        self._qubits, self._width = step.qubits, place.num_qubits

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return kernels.apply_matrix(state, self._matrix, self._qubits, self._width)

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return kernels.apply_matrix(state, self._matrix.mH, self._qubits, self._width)

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """Derivatives by the angles of the step."""
        return image.real[:, :0]


def _matrix(entries: tuple[complex, ...], place: Place) -> Tensor:
    size = math.isqrt(len(entries))
    matrix = torch.tensor(entries, dtype=torch.complex128).reshape(1, size, size)
    return matrix.to(place.device, place.dtype)
