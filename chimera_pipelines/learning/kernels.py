"""Quantum kernels: fidelities |<x|y>|^2 of embedded rows, a whole Gram matrix at once.

Rows become states as a document's `embedding` has them. States of a block of rows are made as one
batch, and overlaps are one matrix product. On a CPU a batch pays only while its states fit the
cache (evidence/performance.md §8), so it is cut there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from chimera_pipelines.learning.bad_data import FEATURES, ROOM, refused
from chimera_pipelines.learning.devices import device_of, require_room
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.embedding_states import embedded_states, overlaps
from chimera_pipelines.quantum.statevector.simulator import PRECISIONS

MOST_QUBITS = 20
_CACHED_AMPLITUDES = 1 << 15
_DEVICE_AMPLITUDES = 1 << 26


class StateMaker:
    """States of rows of `num_features` features, on the fewest qubits that hold them.

    Raises:
        KernelError: MAML412, more features than qubits that can be held.
    """

    def __init__(
        self, embedding: Embedding, num_features: int, *, device: str, precision: str
    ) -> None:
        amplitudes = embedding.method == "amplitude"
        self.width = max(1, (num_features - 1).bit_length()) if amplitudes else num_features
        if self.width > MOST_QUBITS:
            message = f"{num_features} features need {self.width} qubits; at most {MOST_QUBITS}"
            raise refused(FEATURES, message, "choose features, or embed them as amplitudes")
        if precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise refused(ROOM, f"no precision {precision!r:.40}", f"there are {known}")
        self.device, self.precision = device_of(device), precision
        self._embedding = embedding

    @torch.no_grad()
    def states(self, rows: Tensor, *, batch: int | None = None) -> Tensor:
        """States (rows, 2^n) on the device.

        Args:
            rows: float64 (rows, features).
            batch: rows that run together; default what fits the cache, or the device.

        Raises:
            KernelError: MAML413, they do not fit; MAML412, rows that the method does not take.
        """
        require_room(self.width, 2 * rows.shape[0], self.precision, self.device)
        points = rows.to(self.device)
        size = batch or self._batch()
        parts = [
            embedded_states(
                self._embedding, points[first : first + size], self.width, precision=self.precision
            )
            for first in range(0, len(points), size)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _batch(self) -> int:
        held = _DEVICE_AMPLITUDES if self.device.type == "cuda" else _CACHED_AMPLITUDES
        return max(1, held >> self.width)


def fidelities(left: Tensor, right: Tensor) -> Tensor:
    """|<l|r>|^2 of all pairs, float64 (l, r) on the CPU."""
    found = overlaps(left, right)
    return (found.real.square() + found.imag.square()).double().cpu()


def gram(
    rows: Tensor,
    others: Tensor | None = None,
    *,
    embedding: Embedding,
    device: str = "auto",
    precision: str = "double",
) -> Tensor:
    """The kernel matrix of rows with themselves, or with others.

    Args:
        rows: float64 (rows, features).
        others: float64 (others, features), default `rows`.
        embedding: of rows as states; its own rows are not looked at.
        device: "cpu", "cuda" or "auto".
        precision: of the states.

    Returns:
        float64 (rows, others); symmetric with a diagonal of ones where others are the rows.

    Raises:
        KernelError: MAML412, MAML413.
    """
    maker = StateMaker(embedding, rows.shape[1], device=device, precision=precision)
    states = maker.states(rows)
    if others is not None:
        return fidelities(states, maker.states(others))
    matrix = fidelities(states, states)
    matrix = (matrix + matrix.T) / 2
    matrix.fill_diagonal_(1.0)
    return matrix
