"""Fused evolution of state vectors in torch, on any device, one state or a batch of them.

Strategy: a phase is one multiplication of the whole state; it is made by a Walsh-Hadamard transform
of its coefficients and kept, as steps repeat. A layer is a few real matrix products: Kronecker
products of five qubits, of four and the pair of real and imaginary part for the lowest
(evidence/performance.md §6). Two buffers take turns, so nothing is allocated in a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from chimera_pipelines.quantum.evolution import Formula, Piece, steps_for, suzuki_trotter
from chimera_pipelines.quantum.evolution_fusion import Fused, Phases, Turns, fuse

Precision: TypeAlias = Literal["single", "double"]
COMPLEX: Mapping[str, torch.dtype] = {"single": torch.complex64, "double": torch.complex128}
REAL: Mapping[str, torch.dtype] = {"single": torch.float32, "double": torch.float64}

LOWEST_QUBITS = 4
BLOCK_QUBITS = 5
KEPT_PHASES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A real matrix on qubits `low` … `low + qubits - 1`; of the lowest block transposed."""

    low: int
    qubits: int
    matrix: torch.Tensor


class EvolutionProgram:
    """A fused formula on one device, for any number of states of its width."""

    def __init__(
        self, fused: Fused, *, device: str = "cpu", precision: Precision = "double"
    ) -> None:
        self._fused = fused
        self._device = torch.device(device)
        self._precision: Precision = precision
        self._phases: dict[Phases, torch.Tensor] = {}
        self._layers = {
            turns: _blocks(turns, fused.num_qubits, self._device, REAL[precision])
            for turns in set(fused.layers)
        }

    def evolve(self, state: torch.Tensor) -> torch.Tensor:
        """The evolved states; `state` is not changed.

        Args:
            state: complex, shape (2^n,) or (batch, 2^n), bit q of an index being qubit q.
        """
        n, kind = self._fused.num_qubits, COMPLEX[self._precision]
        if state.shape[-1] != 1 << n:
            raise ValueError(f"states of {state.shape[-1]} amplitudes for {n} qubits")
        now = state.to(self._device, kind, copy=True).contiguous()
        other = torch.empty_like(now)
        for at, phases in enumerate(self._fused.phases):
            if phases:
                now.mul_(self._phase(phases))
            if at < len(self._fused.layers):
                for block in self._layers[self._fused.layers[at]]:
                    _apply(block, now, other)
                    now, other = other, now
        turn = self._fused.phase % (2.0 * math.pi)
        return now.mul_(complex(math.cos(turn), math.sin(turn))) if turn else now

    def _phase(self, phases: Phases) -> torch.Tensor:
        found = self._phases.get(phases)
        if found is None:
            if len(self._phases) >= KEPT_PHASES:
                self._phases.pop(next(iter(self._phases)))
            energies = diagonal(phases, self._fused.num_qubits, self._device)
            found = torch.polar(torch.ones_like(energies), -energies).to(COMPLEX[self._precision])
            self._phases[phases] = found
        return found


def evolve(
    state: torch.Tensor,
    pieces: Sequence[Piece],
    *,
    order: int = 2,
    tolerance: float = 1e-6,
    steps: int | None = None,
    precision: Precision = "double",
) -> torch.Tensor:
    """States evolved on their device under a piecewise constant Hamiltonian.

    Args:
        state: complex, shape (2^n,) or (batch, 2^n).
        pieces: Hamiltonians with their durations, the first acting first.
        order: 1, 2 or 4.
        tolerance: of the distance to the exact evolution; rounding comes on top.
        steps: of each piece, instead of those that the tolerance asks for.
        precision: of the result, "single" or "double".

    Raises:
        KernelError: CHIM771, as `evolution.steps_for` and `evolution.suzuki_trotter`.
    """
    taken = steps if steps is not None else steps_for(pieces, tolerance, order=order)
    formula = suzuki_trotter(pieces, order=order, steps=taken)
    return program(formula, device=str(state.device), precision=precision).evolve(state)


def program(
    formula: Formula, *, device: str = "cpu", precision: Precision = "double"
) -> EvolutionProgram:
    """The fused form of a formula on a device."""
    return EvolutionProgram(fuse(formula), device=device, precision=precision)


def diagonal(phases: Phases, num_qubits: int, device: torch.device) -> torch.Tensor:
    """Σ c (-1)^parity(index & mask) of every index: float64, shape (2^n,)."""
    values = torch.zeros(1 << num_qubits, dtype=torch.float64, device=device)
    masks = torch.tensor([mask for mask, _ in phases], dtype=torch.int64, device=device)
    given = torch.tensor([c for _, c in phases], dtype=torch.float64, device=device)
    values.index_add_(0, masks, given)
    for qubit in range(num_qubits):
        pairs = values.view(-1, 2, 1 << qubit)
        values = torch.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), dim=1)
    return values.reshape(-1)


def _blocks(
    turns: Turns, num_qubits: int, device: torch.device, kind: torch.dtype
) -> tuple[Block, ...]:
    angles = dict(turns)
    made: list[Block] = []
    low = 0
    for size in _sizes(num_qubits):
        if any(q in angles for q in range(low, low + size)):
            matrix = torch.eye(1, dtype=torch.float64)
            for q in range(low, low + size):
                matrix = torch.kron(_ry(angles.get(q, 0.0)), matrix)
            if low == 0:
                matrix = torch.kron(matrix, torch.eye(2, dtype=torch.float64)).T.contiguous()
            made.append(Block(low, size, matrix.to(device, kind)))
        low += size
    return tuple(made)


def _sizes(num_qubits: int) -> list[int]:
    """Qubits of each block, the lowest first; those above it are as equal as can be."""
    lowest = min(LOWEST_QUBITS, num_qubits)
    rest = num_qubits - lowest
    count = math.ceil(rest / BLOCK_QUBITS)
    return [lowest, *((rest + at) // count for at in range(count))]


def _ry(angle: float) -> torch.Tensor:
    c, s = math.cos(angle / 2.0), math.sin(angle / 2.0)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def _apply(block: Block, now: torch.Tensor, out: torch.Tensor) -> None:
    """Multiply a block's qubits of every state; `out` becomes the product."""
    size = 1 << block.qubits
    left, right = torch.view_as_real(now), torch.view_as_real(out)
    if block.low == 0:
        torch.mm(left.view(-1, 2 * size), block.matrix, out=right.view(-1, 2 * size))
        return
    shape = (-1, size, 2 << block.low)
    source, target = left.view(shape), right.view(shape)
    if source.shape[0] == 1:
        torch.mm(block.matrix, source[0], out=target[0])
    else:
        torch.bmm(block.matrix.expand(source.shape[0], size, size), source, out=target)
