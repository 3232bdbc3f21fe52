"""An observable made ready to act on batched states, and its expectation values.

All diagonal terms are one vector, made by a Walsh-Hadamard transform of their coefficients. Terms
that fit into one block of five qubits are summed as a small matrix and applied by one product; what
is left is grouped by its bit flips, one gather and one multiplication a group. Vectors of groups
are kept as far as KEPT_BYTES go, and made anew at each application beyond.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor

from chimera_pipelines.quantum.statevector.kernels import (
    BLOCK,
    apply_block,
    blocks,
    real_dtype,
    walsh,
)

KEPT_BYTES = 32 << 20


class PauliTerm(Protocol):
    """coefficient * i^|x and z| X^x Z^z, as `observables.Term`."""

    @property
    def coefficient(self) -> float:
        """A real number."""
        ...

    @property
    def x(self) -> int:
        """Qubits with X or Y."""
        ...

    @property
    def z(self) -> int:
        """Qubits with Z or Y."""
        ...


class PauliOperator(Protocol):
    """`observables.Observable`, and any other real combination of Pauli strings."""

    @property
    def num_qubits(self) -> int:
        """Width."""
        ...

    @property
    def terms(self) -> Sequence[PauliTerm]:
        """The strings as masks."""
        ...


class Hamiltonian:
    """A Pauli operator on a device in one precision.

    Attributes:
        num_qubits: width.
    """

    def __init__(
        self, operator: PauliOperator, *, dtype: torch.dtype, device: str | torch.device = "cpu"
    ) -> None:
        self.num_qubits = operator.num_qubits
        self.dtype, self.device = dtype, torch.device(device)
        found = _sorted(operator)
        self._diagonal = self._vector(found.diagonal) if found.diagonal else None
        self._blocks = [(low, self._matrix(low, terms)) for low, terms in found.windows.items()]
        groups = list(found.flips.items())
        kept = _kept(self.num_qubits, dtype)
        self._flips = [(x, self._vector(parts)) for x, parts in groups[:kept]]
        self._streamed = groups[kept:]

    def apply(self, state: Tensor) -> Tensor:
        """H|state>, for states (b, 2^n)."""
        out = torch.zeros_like(state) if self._diagonal is None else state * self._diagonal
        for low, matrix in self._blocks:
            out = out + apply_block(state, matrix, low)
        streamed = ((x, self._vector(parts)) for x, parts in self._streamed)
        for x, vector in chain(self._flips, streamed):
            index = torch.arange(state.shape[1], device=state.device) ^ x
            out = out + (state * vector)[:, index]
        return out

    def expectation(self, state: Tensor) -> Tensor:
        """<state|H|state> of each state, real (b,)."""
        others = self._blocks or self._flips or self._streamed
        if self._diagonal is not None and not others:
            weight = state.real.square() + state.imag.square()
            return (weight * self._diagonal).sum(1)
        return (state.conj() * self.apply(state)).sum(1).real

    def diagonal(self) -> Tensor:
        """The diagonal terms' eigenvalue at each index, real (2^n,)."""
        if self._diagonal is None:
            size = 1 << self.num_qubits
            return torch.zeros(size, dtype=real_dtype(self.dtype), device=self.device)
        return self._diagonal

    def _vector(self, parts: dict[int, float] | dict[int, complex]) -> Tensor:
        """Sum of coefficient * (-1)^|y and z|, for each y; real where all are."""
        values = list(parts.values())
        complex_valued = any(isinstance(v, complex) and v.imag for v in values)
        wide = torch.complex128 if complex_valued else torch.float64
        vector = torch.zeros(1 << self.num_qubits, dtype=wide, device=self.device)
        index = torch.tensor(list(parts), dtype=torch.int64, device=self.device)
        given = values if complex_valued else [complex(v).real for v in values]
        vector[index] = torch.tensor(given, dtype=wide, device=self.device)
        narrow = self.dtype if complex_valued else real_dtype(self.dtype)
        return walsh(vector).to(narrow)

    def _matrix(self, low: int, terms: Sequence[PauliTerm]) -> Tensor:
        width = next(width for start, width in blocks(self.num_qubits) if start == low)
        size = 1 << width
        index = torch.arange(size)
        matrix = torch.zeros(size, size, dtype=torch.complex128)
        for term in terms:
            x, z = term.x >> low, term.z >> low
            bits = [(i & z).bit_count() & 1 for i in range(size)]
            turn = (1, 1j, -1, -1j)[(x & z).bit_count() % 4]
            signs = 1 - 2 * torch.tensor(bits, dtype=torch.float64)
            matrix[index ^ x, index] += term.coefficient * turn * signs
        if not matrix.imag.any():
            return matrix.real[None].to(self.device, real_dtype(self.dtype))
        return matrix[None].to(self.device, self.dtype)


def operator_bytes(operator: PauliOperator, dtype: torch.dtype) -> int:
    """Bytes that a `Hamiltonian` of the operator takes at most, one streamed vector included."""
    found, n = _sorted(operator), operator.num_qubits
    vectors = min(len(found.flips), _kept(n, dtype) + 1)
    diagonal = (8 << n) if found.diagonal else 0
    matrices = len(found.windows) * dtype.itemsize << 2 * min(n, BLOCK)
    return diagonal + matrices + (vectors * dtype.itemsize << n)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Terms by how they are applied: masks of Z, terms of a block, and masks of Z by flips."""

    diagonal: dict[int, float]
    windows: dict[int, list[PauliTerm]]
    flips: dict[int, dict[int, complex]]


def _sorted(operator: PauliOperator) -> _Sorted:
    diagonal: dict[int, float] = defaultdict(float)
    windows: dict[int, list[PauliTerm]] = defaultdict(list)
    flips: dict[int, dict[int, complex]] = defaultdict(lambda: defaultdict(complex))
    for term in operator.terms:
        low = _window(term, operator.num_qubits)
        if term.x == 0:
            diagonal[term.z] += term.coefficient
        elif low is not None:
            windows[low].append(term)
        else:
            turn = (1, 1j, -1, -1j)[(term.x & term.z).bit_count() % 4]
            flips[term.x][term.z] += turn * term.coefficient
    return _Sorted(diagonal, windows, flips)


def _kept(num_qubits: int, dtype: torch.dtype) -> int:
    """How many vectors of flips are kept."""
    return KEPT_BYTES // (dtype.itemsize << num_qubits)


def _window(term: PauliTerm, num_qubits: int) -> int | None:
    """The block that holds the whole term, if one does."""
    mask = term.x | term.z
    for low, width in blocks(num_qubits):
        if mask >> low << low == mask and mask < 1 << (low + width):
            return low
    return None
