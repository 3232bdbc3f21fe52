"""Quantum kernels: fidelities |<x|y>|^2 of encoded rows, a whole Gram matrix at once.

States of a block of rows are made as one batch, and overlaps are one matrix product. On a CPU a
batch pays only while its states fit the cache (evidence/performance.md §8), so it is cut there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chimera_pipelines.learning.bad_data import FEATURES, ROOM, positive, refused, whole
from chimera_pipelines.learning.circuits import FEATURE_MAPS, feature_map, lifted
from chimera_pipelines.learning.devices import device_of, require_room
from chimera_pipelines.quantum.statevector.simulator import PRECISIONS, Simulator

MOST_FEATURES = 20
_CACHED_AMPLITUDES = 1 << 15
_DEVICE_AMPLITUDES = 1 << 26


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a row of features becomes a state.

    Attributes:
        kind: one of `circuits.FEATURE_MAPS`, or "amplitude" (the row itself, normalised).
        repeats: of the feature map.
        scale: features are multiplied by it.
    """

    kind: str = "iqp"
    repeats: int = 2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in {*FEATURE_MAPS, "amplitude"}:
            known = ", ".join((*FEATURE_MAPS, "amplitude"))
            raise refused(FEATURES, f"no encoding {self.kind!r:.40}", f"there are {known}")
        whole(self.repeats, "repeats", low=1, high=100)
        positive(self.scale, "scale")

    def width(self, num_features: int) -> int:
        """Qubits for rows of so many features."""
        if self.kind == "amplitude":
            return max(1, (num_features - 1).bit_length())
        return num_features


class StateMaker:
    """States of rows of `num_features` features.

    Raises:
        KernelError: MAML412, more features than qubits that can be held.
    """

    def __init__(
        self, encoding: Encoding, num_features: int, *, device: str, precision: str
    ) -> None:
        self.width = encoding.width(num_features)
        if self.width > MOST_FEATURES:
            message = f"{num_features} features need {self.width} qubits; at most {MOST_FEATURES}"
            raise refused(FEATURES, message, "choose features, or use encoding 'amplitude'")
        if precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise refused(ROOM, f"no precision {precision!r:.40}", f"there are {known}")
        self.device, self.dtype = device_of(device), PRECISIONS[precision]
        self.precision = precision
        self._encoding, self._features = encoding, num_features
        self._simulator: Simulator | None = None
        if encoding.kind != "amplitude":
            program = feature_map(encoding.kind, num_features, encoding.repeats)
            self._simulator = Simulator(program, device=self.device, precision=precision)

    @torch.no_grad()
    def states(self, rows: Tensor, *, batch: int | None = None) -> Tensor:
        """States (rows, 2^n) on the device.

        Args:
            rows: float64 (rows, features).
            batch: rows that run together; default what fits the cache, or the device.

        Raises:
            KernelError: MAML413, they do not fit; MAML412, a row of zeros cannot be normalised.
        """
        require_room(self.width, 2 * rows.shape[0], self.precision, self.device)
        if self._simulator is None:
            return self._amplitudes(rows)
        simulator = self._simulator
        points = lifted(rows.to(self.device) * self._encoding.scale)
        size = batch or self._batch()
        firsts = range(0, len(points), size)
        parts = [simulator.run(simulator.parameters(points[i : i + size])) for i in firsts]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _batch(self) -> int:
        held = _DEVICE_AMPLITUDES if self.device.type == "cuda" else _CACHED_AMPLITUDES
        return max(1, held >> self.width)

    def _amplitudes(self, rows: Tensor) -> Tensor:
        largest = rows.abs().amax(1, keepdim=True)  # so that squares neither overflow nor vanish
        if bool((largest == 0).any()):
            row = int((largest[:, 0] == 0).nonzero()[0, 0])
            raise refused(FEATURES, f"row {row} is a vector of zeros, which has no direction")
        scaled = rows / largest
        unit = scaled / scaled.norm(dim=1, keepdim=True)
        wide = torch.zeros(rows.shape[0], 1 << self.width, dtype=torch.float64)
        wide[:, : rows.shape[1]] = unit
        return wide.to(self.device, self.dtype)


def fidelities(left: Tensor, right: Tensor) -> Tensor:
    """|<l|r>|^2 of all pairs, float64 (l, r) on the CPU."""
    overlaps = left.conj() @ right.T
    return (overlaps.real.square() + overlaps.imag.square()).double().cpu()


def gram(
    rows: Tensor,
    others: Tensor | None = None,
    *,
    encoding: Encoding | None = None,
    device: str = "auto",
    precision: str = "double",
) -> Tensor:
    """The kernel matrix of rows with themselves, or with others.

    Args:
        rows: float64 (rows, features).
        others: float64 (others, features), default `rows`.
        encoding: of rows as states.
        device: "cpu", "cuda" or "auto".
        precision: of the states.

    Returns:
        float64 (rows, others); symmetric with a diagonal of ones where others are the rows.

    Raises:
        KernelError: MAML412, MAML413.
    """
    maker = StateMaker(encoding or Encoding(), rows.shape[1], device=device, precision=precision)
    states = maker.states(rows)
    if others is not None:
        return fidelities(states, maker.states(others))
    matrix = fidelities(states, states)
    matrix = (matrix + matrix.T) / 2
    matrix.fill_diagonal_(1.0)
    return matrix
