"""Diagonal steps: products of single-qubit phases, phases of Z strings, phases of a projector.

Three forms, the cheapest that fits: single qubits as an outer product of two short vectors; strings
whose angles all follow one parameter (a QAOA cost layer) as that parameter times a stored vector;
any other strings by one product with a table of their signs, or, where that would be large, by a
Walsh-Hadamard transform of their angles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from chimera_pipelines.quantum.statevector import kernels
from chimera_pipelines.quantum.statevector.overlaps import cross_density
from chimera_pipelines.quantum.statevector.steps import Phases, Projector
from chimera_pipelines.quantum.statevector.tables import Place, has_signs, ray_of, single


class DiagonalStep:
    """exp(-i/2 sum a_t Z^mask_t)."""

    def __init__(self, step: Phases, place: Place, columns: slice | None) -> None:
        self.columns = columns
        self._width, self._dtype = place.num_qubits, place.dtype
        device, tables = place.device, place.tables
        self._masks = torch.tensor(step.masks, dtype=torch.int64, device=device)
        self._single = single(step)
        self._has_global = 0 in step.masks
        places = [mask.bit_length() - 1 for mask in step.masks if mask]
        self._qubits = torch.tensor(places, dtype=torch.int64, device=device)
        self._vector: Tensor | None = None
        self._signs: Tensor | None = None
        ray = None if self._single else ray_of(step.turns)
        if ray is not None:
            self._lead = ray.index(1.0)
            weights = torch.tensor([ray], dtype=torch.float64, device=device)
            key = ("ray", step.masks, ray)
            self._vector = tables.get(key, lambda: self._walsh(weights)[0])
        elif has_signs(step, place.num_qubits):
            self._signs = tables.get(("signs", step.masks), lambda: _signs(step, place))

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return self._turned(state, angles[:, self.columns])

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return self._turned(state, -angles[:, self.columns])

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """2 Re <image| -i Z^z/2 |state> = sum (-1)^|x and z| Im conj(image) state."""
        density = cross_density(image, state)
        if self._signs is not None:
            return density.double() @ self._signs.T
        if not self._single:
            return kernels.walsh(density.double())[:, self._masks]
        half = self._width // 2
        square = density.reshape(density.shape[0], -1, 1 << half)
        low = _signed_sums(square.sum(1).double())
        high = _signed_sums(square.sum(2).double())
        # one column more in front: the plain sum, of the global phase
        table = torch.cat((low[:, :1], low[:, 1:], high[:, 1:]), 1)
        return table[:, self._qubit_columns()]

    def _qubit_columns(self) -> Tensor:
        columns = self._qubits + 1
        if self._has_global:
            return torch.cat((columns.new_zeros(1), columns))
        return columns

    def _turned(self, state: Tensor, own: Tensor) -> Tensor:
        if self._single:
            if self._has_global:
                state = state * kernels.unit(-own[:, :1] / 2, self._dtype)
                own = own[:, 1:]
            wide = own.new_zeros(own.shape[0], self._width).index_copy(1, self._qubits, own)
            return kernels.times_product(state, *kernels.product_phase(wide, self._dtype))
        if self._vector is not None:
            total = own[:, self._lead, None] * self._vector
        elif self._signs is not None:
            total = own @ self._signs
        else:
            total = self._walsh(own)
        real = kernels.real_dtype(self._dtype)
        return state * kernels.unit((-0.5 * total).to(real), self._dtype)

    def _walsh(self, angles: Tensor) -> Tensor:
        wide = angles.new_zeros(angles.shape[0], 1 << self._width)
        return kernels.walsh(wide.index_copy(1, self._masks, angles))


def _signs(step: Phases, place: Place) -> Tensor:
    device = str(place.device)
    rows = [kernels.parity_sign(mask, place.num_qubits, device) for mask in step.masks]
    return torch.stack(rows).double()


def _signed_sums(values: Tensor) -> Tensor:
    """The plain sum, then for each bit of the index the sum with its sign; (b, 1 + bits)."""
    found = []
    while values.shape[1] > 1:
        pairs = values.reshape(values.shape[0], -1, 2)
        found.append((pairs[..., 0] - pairs[..., 1]).sum(1))
        values = pairs.sum(2)
    return torch.stack((values[:, 0], *found), 1)


class ProjectorStep:
    """exp(i a) where all qubits of the mask are 1."""

    def __init__(self, step: Projector, place: Place, columns: slice | None) -> None:
        self.columns = columns
        self._dtype = place.dtype
        self._ones = place.tables.get(("ones", step.mask), lambda: _ones(step.mask, place))

    def apply(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states after the step."""
        return self._turned(state, angles[:, self.columns])

    def undo(self, state: Tensor, angles: Tensor) -> Tensor:
        """The states before the step."""
        return self._turned(state, -angles[:, self.columns])

    def slopes(self, image: Tensor, state: Tensor) -> Tensor:
        """2 Re <image| i Q |state> = -2 Im <image|Q|state>."""
        density = cross_density(image, state)
        return -2.0 * (density * self._ones).sum(1).double()[:, None]

    def _turned(self, state: Tensor, own: Tensor) -> Tensor:
        return torch.where(self._ones, state * kernels.unit(own, self._dtype), state)


def _ones(mask: int, place: Place) -> Tensor:
    index = torch.arange(1 << place.num_qubits, device=place.device)
    return (index & mask) == mask
