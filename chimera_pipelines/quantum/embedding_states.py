"""Embedded rows as state vectors in torch, all rows at once, on any device.

Shapes: features (batch, m), states (batch, 2^n), complex, bit q of an index being qubit q. The same
states as `embedding` prepares in front of circuits. Products of one-qubit states are built by
doubling; an IQP layer is one phase and one Walsh-Hadamard transform.
"""

from __future__ import annotations

import math

import torch

from chimera_pipelines.quantum.embedding import Embedding, embed_error

PRECISIONS = {"single": torch.complex64, "double": torch.complex128}


def embedded_states(
    embedding: Embedding, num_qubits: int, *, device: str = "cpu", precision: str = "double"
) -> torch.Tensor:
    """One normalised state for each row: complex, shape (rows, 2^num_qubits).

    Raises:
        KernelError: MAML412 for rows of different length, or that do not fit the qubits.
    """
    lengths = {len(row) for row in embedding.rows}
    if len(lengths) > 1:
        raise embed_error(f"rows of {min(lengths)} and of {max(lengths)} features in one batch")
    qubits = embedding.qubits if embedding.qubits is not None else num_qubits
    if qubits > num_qubits:
        raise embed_error(f"embedding on {qubits} qubits; the states have {num_qubits}")
    complex_rows = embedding.method == "amplitude"
    kind = torch.complex128 if complex_rows else torch.float64
    features = torch.tensor([list(row) for row in embedding.rows], dtype=kind, device=device)
    small = _small(embedding, features, qubits)
    out = torch.zeros((len(features), 1 << num_qubits), dtype=PRECISIONS[precision], device=device)
    out[:, : small.shape[1]] = small.to(out.dtype)
    return out


def overlaps(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """⟨left_i|right_j⟩ of two batches of states: shape (left, right)."""
    return left.conj() @ right.T


def _small(embedding: Embedding, features: torch.Tensor, qubits: int) -> torch.Tensor:
    """The states of the qubits that features act on: complex128."""
    if embedding.method == "amplitude":
        return _amplitude(features, qubits, embedding.pad)
    if features.shape[1] > qubits:
        raise embed_error(f"{features.shape[1]} numbers for {qubits} qubits")
    if embedding.method == "basis":
        return _basis(features)
    angles = embedding.scale * features
    if embedding.method == "iqp":
        return _iqp(angles, embedding.repeats)
    return _angle(angles, embedding.axis)


def _amplitude(features: torch.Tensor, qubits: int, pad: str) -> torch.Tensor:
    given = features.shape[1]
    if given > 1 << qubits or (given < 1 << qubits and pad != "zero"):
        raise embed_error(f"{given} amplitudes for {qubits} qubits, which hold {1 << qubits}")
    parts = torch.view_as_real(features)
    largest = parts.abs().amax(dim=(1, 2))
    if bool((largest == 0).any()):
        raise embed_error("a vector of zeros has no direction to embed")
    scaled = torch.view_as_complex(parts / largest[:, None, None])
    states: torch.Tensor = scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return states


def _basis(features: torch.Tensor) -> torch.Tensor:
    weights = 2 ** torch.arange(features.shape[1], device=features.device)
    index = (features.to(torch.int64) * weights).sum(dim=1, keepdim=True)
    size = (len(features), 1 << features.shape[1])
    states = torch.zeros(size, dtype=torch.complex128, device=features.device)
    return states.scatter_(1, index, 1.0)


def _angle(angles: torch.Tensor, axis: str) -> torch.Tensor:
    c, s = torch.cos(angles / 2), torch.sin(angles / 2)
    nothing = torch.zeros_like(c)
    zero, one = {
        "rx": (torch.complex(c, nothing), torch.complex(nothing, -s)),
        "ry": (torch.complex(c, nothing), torch.complex(s, nothing)),
        "rz": (torch.complex(c, -s), torch.complex(nothing, nothing)),
    }[axis]
    states = torch.ones((len(angles), 1), dtype=torch.complex128, device=angles.device)
    for q in range(angles.shape[1]):  # qubit q doubles the index: its bit lies above all so far
        states = torch.cat((states * zero[:, q, None], states * one[:, q, None]), dim=1)
    return states


def _iqp(angles: torch.Tensor, repeats: int) -> torch.Tensor:
    rows, qubits = angles.shape
    signs = _signs(qubits, angles.device)
    single = angles @ signs
    energies = (single + (single**2 - (angles**2).sum(dim=1, keepdim=True)) / 2) / 2
    phase = torch.polar(torch.ones_like(energies), -energies)
    states = torch.zeros((rows, 1 << qubits), dtype=torch.complex128, device=angles.device)
    states[:, 0] = 1.0
    for _ in range(repeats):
        states = _hadamards(states, qubits) * phase
    return states


def _signs(qubits: int, device: torch.device) -> torch.Tensor:
    """(-1)^bit of each qubit and index: float64, shape (qubits, 2^qubits)."""
    index = torch.arange(1 << qubits, device=device)
    bits = index[None] >> torch.arange(qubits, device=device)[:, None] & 1
    return 1.0 - 2.0 * bits.to(torch.float64)


def _hadamards(states: torch.Tensor, qubits: int) -> torch.Tensor:
    rows = len(states)
    for q in range(qubits):
        pairs = states.view(rows, -1, 2, 1 << q)
        summed = (pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1])
        states = torch.stack(summed, dim=2).reshape(rows, -1)
    return states * math.sqrt(0.5) ** qubits
