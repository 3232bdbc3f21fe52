"""Embedded rows as state vectors in torch, all rows at once, on any device.

Shapes: features (batch, m), states (batch, 2^n), complex, bit q of an index being qubit q. The same
states as `embedding` prepares in front of circuits. Products of one-qubit states are built by
doubling; an IQP layer is one phase, and real matrix products for its Hadamards.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chimera_pipelines.quantum.embedding import Embedding, embed_error
from chimera_pipelines.quantum.statevector.kernels import apply_block, blocks, real_dtype, unit
from chimera_pipelines.quantum.statevector.simulator import PRECISIONS


def embedded_states(
    embedding: Embedding, features: Tensor, num_qubits: int, *, precision: str = "double"
) -> Tensor:
    """One normalised state for each row of features: complex (rows, 2^num_qubits), where they are.

    Args:
        embedding: how; its own rows are not looked at.
        features: float64 (rows, m), or complex128 of amplitudes.
        num_qubits: width of the states.
        precision: "single" or "double".

    Raises:
        KernelError: MAML412 for rows that do not fit the qubits or the method.
    """
    qubits = embedding.qubits if embedding.qubits is not None else num_qubits
    if qubits > num_qubits:
        raise embed_error(f"embedding on {qubits} qubits; the states have {num_qubits}")
    small = _small(embedding, features, qubits, PRECISIONS[precision])
    if small.shape[1] == 1 << num_qubits:
        return small
    out = small.new_zeros(len(features), 1 << num_qubits)
    out[:, : small.shape[1]] = small
    return out


def overlaps(left: Tensor, right: Tensor) -> Tensor:
    """⟨left_i|right_j⟩ of two batches of states: shape (left, right)."""
    return left.conj() @ right.T


def _small(embedding: Embedding, features: Tensor, qubits: int, dtype: torch.dtype) -> Tensor:
    """The states of the qubits that features act on."""
    if embedding.method == "amplitude":
        return _amplitude(features.to(torch.complex128), qubits, embedding.pad).to(dtype)
    if features.shape[1] > qubits:
        raise embed_error(
            f"{features.shape[1]} numbers for {qubits} qubits", hint="at most one number a qubit"
        )
    if embedding.method == "basis":
        return _basis(features, dtype)
    angles = embedding.scale * features
    if embedding.method == "iqp":
        return _iqp(angles, embedding.repeats, dtype)
    return _angle(_bounded(angles), embedding.axis, dtype)


def _amplitude(features: Tensor, qubits: int, pad: str) -> Tensor:
    given = features.shape[1]
    if given > 1 << qubits or (given < 1 << qubits and pad != "zero"):
        raise embed_error(
            f"{given} amplitudes for {qubits} qubits, which hold {1 << qubits}",
            hint="set pad: zero to fill up with zeros" if given < 1 << qubits else None,
        )
    parts = torch.view_as_real(features)
    largest = parts.abs().amax(dim=(1, 2))  # so that squares neither overflow nor vanish
    if bool((largest == 0).any()):
        row = int((largest == 0).nonzero()[0, 0])
        raise embed_error(f"row {row} is a vector of zeros, which has no direction to embed")
    scaled = torch.view_as_complex(parts / largest[:, None, None])
    states: Tensor = scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    wide = states.new_zeros(len(states), 1 << max(1, (given - 1).bit_length()))
    wide[:, :given] = states
    return wide


def _basis(features: Tensor, dtype: torch.dtype) -> Tensor:
    wrong = (features != 0) & (features != 1)
    if bool(wrong.any()):
        row, column = (int(i) for i in wrong.nonzero()[0])
        value = float(features[row, column])
        raise embed_error(
            f"row {row}, column {column}: {value!r} is no bit",
            hint="basis embedding takes 0 and 1",
        )
    weights = 2 ** torch.arange(features.shape[1], device=features.device)
    index = (features.to(torch.int64) * weights).sum(dim=1, keepdim=True)
    size = (len(features), 1 << features.shape[1])
    states = torch.zeros(size, dtype=dtype, device=features.device)
    return states.scatter_(1, index, 1.0)


def _angle(angles: Tensor, axis: str, dtype: torch.dtype) -> Tensor:
    c, s = torch.cos(angles / 2), torch.sin(angles / 2)
    nothing = torch.zeros_like(c)
    zero, one = {
        "rx": (torch.complex(c, nothing), torch.complex(nothing, -s)),
        "ry": (torch.complex(c, nothing), torch.complex(s, nothing)),
        "rz": (torch.complex(c, -s), torch.complex(nothing, nothing)),
    }[axis]
    zero, one = zero.to(dtype), one.to(dtype)
    states = torch.ones((len(angles), 1), dtype=dtype, device=angles.device)
    for q in range(angles.shape[1]):  # qubit q doubles the index: its bit lies above all so far
        states = torch.cat((states * zero[:, q, None], states * one[:, q, None]), dim=1)
    return states


def _iqp(angles: Tensor, repeats: int, dtype: torch.dtype) -> Tensor:
    qubits = angles.shape[1]
    single = angles.new_zeros(len(angles), 1)
    for q in range(qubits):
        part = angles[:, q, None]
        single = torch.cat((single + part, single - part), dim=1)
    # (Σ a Z)² = Σ a² + 2 Σ_{p<q} a_p a_q Z_p Z_q
    pairs = (single.square() - angles.square().sum(dim=1, keepdim=True)) / 2
    phase = unit(_bounded(single + pairs) / -2, dtype)
    states = phase * math.sqrt(0.5) ** qubits  # the first Hadamards make all amplitudes equal
    for _ in range(repeats - 1):
        states = _hadamards(states, qubits) * phase
    return states


def _bounded(angles: Tensor) -> Tensor:
    if not bool(torch.isfinite(angles).all()):
        raise embed_error("an angle is not finite", hint="features times scale are too large")
    return angles


def _hadamards(states: Tensor, qubits: int) -> Tensor:
    one = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) * math.sqrt(0.5)
    for low, width in blocks(qubits):
        matrix = torch.ones(1, 1, dtype=torch.float64)
        for _ in range(width):
            matrix = torch.kron(one, matrix)
        block = matrix[None].to(states.device, real_dtype(states.dtype))
        states = apply_block(states, block, low)
    return states
