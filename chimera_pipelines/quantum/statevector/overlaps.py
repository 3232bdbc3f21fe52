"""Derivatives from the overlap of two states, many qubits a pass.

For a block of qubits, the cross matrix M = sum conj(image) state over all other qubits holds the
overlaps of every generator in it, so one matrix product a block replaces a pass a qubit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from chimera_pipelines.quantum.statevector.kernels import apply_pauli


def rotation_slopes(
    image: Tensor,
    state: Tensor,
    blocks: Sequence[tuple[int, int]],
    num_qubits: int,
    axis: str,
) -> Tensor:
    """2 Re <image| -i P_q/2 |state> for P = X or Y on each qubit of the blocks; (b, n)."""
    out = torch.zeros(state.shape[0], num_qubits, dtype=torch.float64, device=state.device)
    for low, width in blocks:
        if axis == "y":
            cross = _real_cross(image, state, low, width)
        else:
            cross = _complex_cross(image, state, low, width).imag
        up, down = _pairs(width, str(state.device))
        flat = cross.reshape(state.shape[0], -1)
        signed = flat[:, up] - flat[:, down] if axis == "y" else flat[:, up] + flat[:, down]
        out[:, low : low + width] = signed.sum(2)
    return out


@lru_cache(maxsize=32)
def _pairs(width: int, device: str) -> tuple[Tensor, Tensor]:
    """Places in a flat cross matrix of (i with the qubit 1, i with it 0), and of (0, 1)."""
    size = 1 << width
    zeros = [[i for i in range(size) if not i >> qubit & 1] for qubit in range(width)]
    up = [[(i | 1 << qubit) * size + i for i in row] for qubit, row in enumerate(zeros)]
    down = [[i * size + (i | 1 << qubit) for i in row] for qubit, row in enumerate(zeros)]
    return torch.tensor(up, device=device), torch.tensor(down, device=device)


def _real_cross(image: Tensor, state: Tensor, low: int, width: int) -> Tensor:
    """Real part of the cross matrix (b, d, d), from real products alone."""
    size, batch = 1 << width, state.shape[0]
    a, b = (torch.view_as_real(item.contiguous()) for item in (image, state))
    if low == 0:
        tall = (batch, -1, size * 2)
        both = torch.matmul(a.reshape(tall).transpose(1, 2), b.reshape(tall))
        return torch.einsum("bicjc->bij", both.reshape(batch, size, 2, size, 2))
    shape = (batch, -1, size, 2 << low)
    return torch.matmul(a.reshape(shape), b.reshape(shape).transpose(2, 3)).sum(1)


def _complex_cross(image: Tensor, state: Tensor, low: int, width: int) -> Tensor:
    size, batch = 1 << width, state.shape[0]
    if low == 0:
        tall = (batch, -1, size)
        return torch.matmul(image.reshape(tall).mH, state.reshape(tall))
    shape = (batch, -1, size, 1 << low)
    return torch.matmul(image.conj().reshape(shape), state.reshape(shape).transpose(2, 3)).sum(1)


def pauli_slope(image: Tensor, state: Tensor, x: int, z: int, num_qubits: int) -> Tensor:
    """2 Re <image| -i P/2 |state> = Im <image|P|state>; (b, 1) float64."""
    turned = apply_pauli(state, x, z, num_qubits)
    return (image.conj() * turned).sum(1).imag.double()[:, None]


def cross_density(image: Tensor, state: Tensor) -> Tensor:
    """Im conj(image) state for each index, real (b, 2^n)."""
    return image.real * state.imag - image.imag * state.real
