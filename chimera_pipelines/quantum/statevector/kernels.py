"""PyTorch kernels on batched states of shape (batch, 2^n), complex64 or complex128.

Angles come as (1, k), one set for the whole batch, or as (batch, k). No kernel works in place, so
autograd can go through all of them but the overlaps. Rotation layers run as real Kronecker blocks
of up to five qubits: real and imaginary parts are more columns of one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

BLOCK = 5


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """float32 of complex64, float64 of complex128."""
    return torch.float32 if dtype == torch.complex64 else torch.float64


def blocks(num_qubits: int) -> Iterator[tuple[int, int]]:
    """(lowest qubit, width) of the blocks that a layer is cut into."""
    for low in range(0, num_qubits, BLOCK):
        yield low, min(BLOCK, num_qubits - low)


def kronecker(cos: Tensor, sin: Tensor, axis: str) -> Tensor:
    """Kronecker product of 2x2 rotations, first qubit lowest.

    Args:
        cos, sin: (a, m), of half the angles.
        axis: "y" gives a real matrix, "x" a complex one.

    Returns:
        (a, 2^m, 2^m).
    """
    if axis == "y":
        gates = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
    else:
        c, s = torch.complex(cos, torch.zeros_like(cos)), torch.complex(torch.zeros_like(sin), -sin)
        gates = torch.stack((torch.stack((c, s), -1), torch.stack((s, c), -1)), -2)
    out = gates[:, 0]
    for qubit in range(1, cos.shape[1]):
        size = out.shape[-1]
        wide = gates[:, qubit, :, None, :, None] * out[:, None, :, None, :]
        out = wide.reshape(-1, 2 * size, 2 * size)
    return out


def apply_block(state: Tensor, matrix: Tensor, low: int) -> Tensor:
    """A matrix on consecutive qubits from `low` on.

    Args:
        state: (b, 2^n) complex.
        matrix: (1 or b, d, d), real or complex.
        low: lowest qubit.
    """
    batch, size, width = state.shape[0], state.shape[1], matrix.shape[-1]
    below = 1 << low
    if matrix.is_complex():
        columns, parts = state, 1
    else:
        columns, parts = torch.view_as_real(state), 2
    if low == 0:
        # as one tall product; (matrix x identity) keeps the two parts of a number together
        wide = _beside(matrix, parts).transpose(-1, -2)
        out = torch.matmul(columns.reshape(batch, size // width, width * parts), wide)
    elif size == width * below:
        out = torch.matmul(matrix, columns.reshape(batch, width, below * parts))
    else:
        shaped = columns.reshape(batch, size // (width * below), width, below * parts)
        out = torch.matmul(matrix[:, None], shaped)
    if parts == 1:
        return out.reshape(batch, size)
    return torch.view_as_complex(out.reshape(batch, size, 2))


def _beside(matrix: Tensor, parts: int) -> Tensor:
    if parts == 1:
        return matrix
    one = torch.eye(parts, dtype=matrix.dtype, device=matrix.device)
    width = matrix.shape[-1] * parts
    return (matrix[:, :, None, :, None] * one[None, None, :, None, :]).reshape(-1, width, width)


def apply_matrix(state: Tensor, matrix: Tensor, qubits: Sequence[int], num_qubits: int) -> Tensor:
    """A (1, d, d) complex matrix on any qubits, qubits[0] being the lowest bit of its indices."""
    batch, count = state.shape[0], len(qubits)
    axes = [num_qubits - qubit for qubit in reversed(qubits)]
    front = list(range(1, count + 1))
    moved = state.reshape(batch, *[2] * num_qubits).movedim(axes, front)
    shape = moved.shape
    out = torch.matmul(matrix, moved.reshape(batch, 1 << count, -1)).reshape(shape)
    return out.movedim(front, axes).reshape(batch, -1)


def product_phase(angles: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """exp(-i/2 sum_q a_q Z_q) as an outer product.

    Args:
        angles: (a, n) float64, one a qubit.
        dtype: of the state.

    Returns:
        Phases of the high half of the qubits (a, 2^(n - n//2)) and of the low (a, 2^(n//2)).
    """
    half = angles.shape[1] // 2
    return _phase_of(angles[:, half:], dtype), _phase_of(angles[:, :half], dtype)


def _phase_of(angles: Tensor, dtype: torch.dtype) -> Tensor:
    total = angles.new_zeros(angles.shape[0], 1)
    for qubit in range(angles.shape[1]):
        part = angles[:, qubit : qubit + 1] / 2
        total = torch.cat((total + part, total - part), 1)
    return unit(-total, dtype)


def unit(angle: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(i angle) in the state's precision."""
    return torch.polar(torch.ones_like(angle), angle).to(dtype)


def times_product(state: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """The state times an outer product of phases."""
    shaped = state.reshape(state.shape[0], high.shape[1], low.shape[1])
    return (shaped * high[:, :, None] * low[:, None, :]).reshape(state.shape)


def walsh(values: Tensor) -> Tensor:
    """Sum over z of (-1)^|x and z| values[z], for each x; last axis 2^n."""
    shape = values.shape
    half = 1
    while half < shape[-1]:
        pairs = values.reshape(*shape[:-1], -1, 2, half)
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        values = torch.stack((a + b, a - b), -2).reshape(shape)
        half *= 2
    return values


def source_index(flips: Sequence[tuple[int, int]], num_qubits: int, device: str) -> Tensor:
    """Index such that `state[:, index]` is the state after the flips, in order."""
    index = torch.arange(1 << num_qubits, device=device)
    for controls, target in reversed(flips):
        index = index ^ (((index & controls) == controls).to(index.dtype) << target)
    return index


def parity_sign(mask: int, num_qubits: int, device: str) -> Tensor:
    """(-1)^|x and mask| for each index x, float32 (2^n,)."""
    bits = torch.arange(1 << num_qubits, device=device) & mask
    for shift in (32, 16, 8, 4, 2, 1):
        bits = bits ^ (bits >> shift)
    return (1 - 2 * (bits & 1)).to(torch.float32)


def apply_pauli(state: Tensor, x: int, z: int, num_qubits: int) -> Tensor:
    """P|state> for P = i^|x and z| X^x Z^z."""
    if z:
        factor = (1, 1j, -1, -1j)[(x & z).bit_count() % 4]
        sign = parity_sign(z, num_qubits, str(state.device)).to(real_dtype(state.dtype))
        state = state * sign * factor if factor != 1 else state * sign
    if x and x.bit_count() == 1:
        shape = state.shape
        state = state.reshape(shape[0], -1, 2, x).flip(2).reshape(shape)
    elif x:
        index = torch.arange(1 << num_qubits, device=state.device) ^ x
        state = state[:, index]
    return state
