"""Evolution under a Hamiltonian: product formulas, their error bounds, steps for a tolerance.

`evolution_circuits` puts a formula behind a circuit, for any engine; `evolution_states` is its
fused form on a state vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.hamiltonian import Group, PauliSum
from chimera_pipelines.quantum.product_formulas import ORDERS, merged, stages, step_constant

MAX_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A Hamiltonian that holds for a while."""

    hamiltonian: PauliSum
    duration: float


@dataclass(frozen=True, slots=True)
class Formula:
    """A product of exponentials exp(-i angle H_group), the first part acting first.

    Attributes:
        parts: groups of commuting terms, each with its angle: time times fraction.
        phase: global phase in radians, of the Hamiltonian's identity part.
        steps: of each piece.
        bound: of the distance to the exact evolution in spectral norm.
    """

    num_qubits: int
    parts: tuple[tuple[Group, float], ...]
    phase: float
    order: int
    steps: int
    bound: float


def suzuki_trotter(pieces: Sequence[Piece], *, order: int, steps: int) -> Formula:
    """The formula with that many steps for each piece.

    Raises:
        KernelError: CHIM771 for another order than 1, 2 or 4, steps out of range, or angles that
            are not finite.
    """
    _check(pieces, order, steps)
    parts: list[tuple[Group, float]] = []
    for piece in pieces:
        groups = piece.hamiltonian.groups()
        one = stages(len(groups), order)[::-1]  # the leftmost factor acts last
        step = piece.duration / steps
        parts += [(groups[g], step * a) for g, a in merged(one * steps)]
    return Formula(
        num_qubits=pieces[0].hamiltonian.num_qubits,
        parts=tuple(parts),
        phase=-math.fsum(p.hamiltonian.constant * p.duration for p in pieces),
        order=order,
        steps=steps,
        bound=error_bound(pieces, order=order, steps=steps),
    )


def error_bound(pieces: Sequence[Piece], *, order: int, steps: int) -> float:
    """A number that ‖formula - exact evolution‖ does not exceed, rounding aside.

    Source: Childs et al. 2021, as `product_formulas` says; errors of steps add up.

    Raises:
        KernelError: CHIM771 as `suzuki_trotter`.
    """
    _check(pieces, order, steps)
    return math.fsum(
        constant * _power(abs(piece.duration), order + 1) / steps**order
        for piece in pieces
        if (constant := _constant(piece.hamiltonian, order))
    )


def steps_for(pieces: Sequence[Piece], tolerance: float, *, order: int) -> int:
    """The least number of steps for each piece whose error bound is within the tolerance.

    Raises:
        KernelError: CHIM771 for a tolerance that is not positive, and for more than 100,000 steps.
    """
    if not (math.isfinite(tolerance) and tolerance > 0.0):
        raise evolution_error(f"tolerance {tolerance!r} is not a positive number")
    single = error_bound(pieces, order=order, steps=1)
    wanted = math.pow(single / tolerance, 1.0 / order)
    if not wanted <= MAX_STEPS:
        raise evolution_error(
            f"a tolerance of {tolerance:g} takes {wanted:.3g} steps of order {order}; at most "
            f"{MAX_STEPS} are allowed",
            hint="allow a larger tolerance, use order 4, or evolve for a shorter time",
        )
    return max(1, math.ceil(wanted * (1.0 - 1e-12)))


def piecewise(
    hamiltonian: Callable[[float], PauliSum], time: float, pieces: int
) -> tuple[Piece, ...]:
    """A time-dependent Hamiltonian as pieces of equal length, each as it is in its middle."""
    if pieces < 1:
        raise evolution_error(f"{pieces} pieces")
    length = time / pieces
    return tuple(Piece(hamiltonian((k + 0.5) * length), length) for k in range(pieces))


def piecewise_bound(rate: float, time: float, pieces: int) -> float:
    """What holding a Hamiltonian constant on `pieces` pieces adds to the error at most.

    Args:
        rate: a bound of ‖dH/dt‖ over the whole time.
        time: the whole time.
        pieces: of equal length, each taken in its middle.
    """
    return rate * time**2 / (4.0 * pieces)


@lru_cache(maxsize=64)
def _constant(hamiltonian: PauliSum, order: int) -> float:
    """`step_constant` of its groups; kept, because every time of a list asks for it."""
    return step_constant([group.hamiltonian for group in hamiltonian.groups()], order)


def _power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except OverflowError:  # floats raise it here, where products are infinite
        return math.inf


def _check(pieces: Sequence[Piece], order: int, steps: int) -> None:
    if order not in ORDERS:
        raise evolution_error(f"a formula of order {order!r}", hint="1, 2 or 4")
    if not 1 <= steps <= MAX_STEPS:
        raise evolution_error(f"{steps} steps; from 1 to {MAX_STEPS} are allowed")
    if not math.isfinite(sum(2.0 * p.hamiltonian.one_norm * abs(p.duration) for p in pieces)):
        raise evolution_error(
            "coefficients times time are not finite", hint="evolve for a shorter time"
        )


def evolution_error(message: str, *, hint: str | None = None) -> KernelError:
    """CHIM771 of phase 2."""
    return KernelError("CHIM771", message, phase=Phase.EMBED, hint=hint)
