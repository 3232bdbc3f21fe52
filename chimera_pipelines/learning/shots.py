"""Energies and gradients as a quantum computer gives them: from shots, by parameter shift."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chimera_pipelines.learning.vqe import Minimiser
from chimera_pipelines.quantum.estimation import Estimate, sampled
from chimera_pipelines.quantum.observables import Observable


@dataclass(frozen=True, slots=True)
class ShotGradient:
    """An energy from shots, its standard error, and the derivatives by parameter shift."""

    energy: float
    error: float | None
    slopes: tuple[float, ...]


@torch.no_grad()
def shot_gradient(
    evaluate: Minimiser, observable: Observable, parameters: Tensor, *, shots: int, seed: int
) -> ShotGradient:
    """Energy and derivatives at one set of parameters (1, P), each circuit measured by itself.

    Args:
        evaluate: of the program.
        observable: that of `evaluate`.
        parameters: float64.
        shots: of each measured basis of each circuit; two circuits an angle, and one.
        seed: of all draws.
    """
    simulator = evaluate.simulator
    values = simulator.parameters(parameters)

    def measured(angles: Tensor, at: int) -> Estimate:
        # one state at a time: the shifted circuits of a deep program are thousands
        return sampled(simulator.forward(angles)[0], observable, shots, seed, at)

    def energies(angles: Tensor) -> Tensor:
        rows = range(len(angles))
        found = [measured(angles[row : row + 1], row + 1).value for row in rows]
        return torch.tensor(found, dtype=torch.float64)

    here = measured(simulator.angles(values), 0)
    slopes = simulator.parameter_shift(values, lambda angles: energies(angles).to(angles.device))
    return ShotGradient(here.value, here.error, tuple(slopes.tolist()))
