"""Expectation values from shots, with their standard errors.

A shot in a basis gives one number, the sum of that basis's terms; the spread of these numbers holds
the covariances of the terms. Bases are sampled apart, so their variances over their shots add up to
the square of the standard error. A budget is spent in rounds: a pilot in proportion to the
coefficients, then what the spreads seen so far ask for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from chimera_pipelines.quantum import budget, sampling
from chimera_pipelines.quantum.budget import Budget
from chimera_pipelines.quantum.observables import Basis, Observable
from chimera_pipelines.quantum.outcomes import estimate, spread
from chimera_pipelines.quantum.samplers.amplitudes import AnyState, is_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from chimera_pipelines.quantum.sampling import State

# Outcomes (basis index → count) of the basis of that number, for so many shots, in that round.
Draw: TypeAlias = Callable[[int, Basis, int, int], Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An expectation value from shots.

    Attributes:
        value: the estimate.
        error: its standard error; None where a basis had one shot, which shows no spread.
        shots: spent on all bases together.
    """

    value: float
    error: float | None
    shots: int


def estimated(observable: Observable, shots: int | Budget, draw: Draw) -> Estimate:
    """The expectation value of `shots` in each measured basis, or of a budget for all of them.

    Raises:
        KernelError: MAML319 for a budget with less than two shots a basis.
    """
    bases = observable.bases()
    seen: Sequence[Mapping[int, int]]
    if isinstance(shots, Budget):
        seen = _spend(bases, shots, draw)
    else:
        seen = [draw(number, basis, shots, 0) for number, basis in enumerate(bases)]
    parts = [observable.constant]
    squares = []
    for basis, outcomes in zip(bases, seen, strict=True):
        parts.append(estimate(basis.terms, outcomes))
        squares.append(spread(basis.terms, outcomes) / sum(outcomes.values()))
    taken = [sum(outcomes.values()) for outcomes in seen]
    known = all(shots > 1 for shots in taken)
    error = math.sqrt(math.fsum(squares)) if known else None
    return Estimate(math.fsum(parts), error, sum(taken))


def _spend(bases: tuple[Basis, ...], limit: Budget, draw: Draw) -> list[Counter[int]]:
    bounds = [math.fsum(abs(c) for c, _ in basis.terms) for basis in bases]
    seen: list[Counter[int]] = [Counter() for _ in bases]
    wanted = budget.pilot(bounds, limit)
    for round_ in range(budget.ROUNDS):
        for number, (basis, shots) in enumerate(zip(bases, wanted, strict=True)):
            if shots:
                seen[number].update(draw(number, basis, shots, round_))
        variances = [spread(b.terms, found) for b, found in zip(bases, seen, strict=True)]
        wanted = budget.further(variances, bounds, [found.total() for found in seen], limit)
        if not any(wanted):
            break
    return seen


def sampled(
    state: AnyState, observable: Observable, shots: int | Budget, seed: int, at: int
) -> Estimate:
    """The estimate from a state on the host or a device; `at` is the circuit's place in the run.

    Raises:
        KernelError: as `estimated`, and CHIM778 for a state that is not normalised.
    """
    turned: dict[int, AnyState] = {}

    def draw(number: int, basis: Basis, count: int, round_: int) -> dict[int, int]:
        if number not in turned:
            turned.clear()  # one turned state beside the state itself, not one a basis
            turned[number] = rotate(state, basis)
        return sampling.sample(turned[number], count, sampling.generator(*path(round_, number)))

    def path(round_: int, number: int) -> tuple[int, ...]:
        return (seed, at, number, round_) if round_ else (seed, at, number)

    return estimated(observable, shots, draw)


def rotate(state: AnyState, basis: Basis) -> AnyState:
    """The state with X and Y of a basis turned onto Z; the state itself where nothing turns."""
    turned = state
    for qubit in (*basis.from_x, *basis.from_y):
        imaginary = qubit in basis.from_y
        turned = (
            _rotate_tensor(turned, qubit, imaginary=imaginary)
            if is_tensor(turned)
            else _rotate_array(turned, qubit, imaginary=imaginary)
        )
    return turned


def _rotate_array(state: State, qubit: int, *, imaginary: bool) -> State:
    pairs = state.reshape(-1, 2, 1 << qubit)
    low, high = pairs[:, 0], pairs[:, 1]
    if imaginary:
        high = high * np.array(-1j, dtype=state.dtype)
    half = np.array(math.sqrt(0.5), dtype=state.real.dtype)
    return np.stack([(low + high) * half, (low - high) * half], axis=1).reshape(-1)


def _rotate_tensor(state: Tensor, qubit: int, *, imaginary: bool) -> Tensor:
    """As `_rotate_array` to the last bit: additions and products of real parts alone."""
    import torch

    parts = torch.view_as_real(state).reshape(-1, 2, 1 << qubit, 2)
    low, high = parts[:, 0], parts[:, 1]
    if imaginary:
        high = torch.stack([high[..., 1], -high[..., 0]], dim=-1)
    half = math.sqrt(0.5)
    turned = torch.stack([(low + high) * half, (low - high) * half], dim=1)
    return torch.view_as_complex(turned.reshape(-1, 2))
