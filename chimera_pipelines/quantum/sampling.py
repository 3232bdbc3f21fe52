"""Measuring a state vector that stays where it is: sampling, probabilities, exact expectations.

Strategy: uniform numbers come from a seeded numpy generator on the host, and weights are whole
numbers, so that a seed gives the same counts for numpy states, torch tensors and a GPU
(`samplers.amplitudes`). Two-level and full cumulative sums place the same numbers on the same
outcomes; rejection draws others, and is taken only where the caller knows the maximum. Expectation
values walk the vector in chunks. Accumulation is in double precision, also for single-precision
states.

Arrays: `state` is complex64 or complex128 of shape (2^n,), C-contiguous; bit q of an index is
qubit q. Where `AnyState` stands, it may be a torch tensor on any device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.measurement import NEGLIGIBLE
from chimera_pipelines.quantum.observables import Observable, Term
from chimera_pipelines.quantum.samplers import inverse
from chimera_pipelines.quantum.samplers.amplitudes import (
    UNIT,
    AnyState,
    HostState,
    Whole,
    amplitudes_of,
    check_norm,
    cumulative_of,
    on_host,
    tolerance,
)
from chimera_pipelines.quantum.samplers.choice import Method, choose
from chimera_pipelines.quantum.samplers.rejection import rejection

State = HostState

CHUNK = 1 << 20
SIGN_CHUNK = 1 << 12  # temporaries of 64 KiB stay below the size that malloc maps anew each time
SIGN_ROWS = 64
MAX_OUTCOMES = 1 << 20
MAX_WORD = 62  # bits of an index that a signed word holds


def generator(seed: int, *path: int) -> np.random.Generator:
    """The generator of one circuit (and basis) of a run: streams of one seed do not overlap."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=path)))


def weights(part: State) -> NDArray[np.float64]:
    """|amplitude|² in double precision; same shape."""
    real, imag = part.real.astype(np.float64), part.imag.astype(np.float64)
    return real * real + imag * imag


def sample(
    state: AnyState, shots: int, rng: np.random.Generator, *, maximum: float | None = None
) -> dict[int, int]:
    """`shots` draws from |state|²: basis index → count, by ascending index.

    Args:
        state: on the host or a device; equal amplitudes and seeds give equal counts.
        shots: draws, at least 1.
        rng: on the host, as `generator` gives.
        maximum: of |amplitude|² where it is known; it lets rejection be chosen.

    Raises:
        KernelError: CHIM778 for a state that is not normalised.
    """
    method = choose(int(np.prod(state.shape)), shots, maximum)
    if method is Method.CDF:
        return counted(inverse.cumulated(cumulative_of(state), shots, rng))
    if method is Method.TWO_LEVEL or maximum is None:
        return counted(inverse.two_level(amplitudes_of(state), shots, rng))
    return counted(rejection(amplitudes_of(state), shots, rng, maximum))


def draw(chances: Sequence[float], shots: int, rng: np.random.Generator) -> dict[int, int]:
    """`shots` draws from probabilities that somebody gave: place → count, by ascending place.

    Raises:
        KernelError: MAML505 for one that is negative or no number, and for a sum that is not 1.
    """
    given = np.asarray(chances, dtype=np.float64).reshape(-1)
    if not bool(np.all(given >= 0.0)) or not abs(float(given.sum()) - 1.0) <= tolerance(given):
        raise KernelError(
            "MAML505",
            f"{len(given)} probabilities from {given.min(initial=0.0)!r} sum to {given.sum()!r}",
            phase=Phase.MEASURE,
            hint="probabilities are 0 or more and sum to 1",
        )
    sums = np.cumsum((given * UNIT).astype(np.int64))
    found = np.searchsorted(sums, inverse.draws(int(sums[-1]), shots, rng), side="right")
    return counted(found.astype(np.int64))


def counted(index: Whole) -> dict[int, int]:
    """How often each index stands there, by ascending index."""
    found, times = np.unique(index, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))


def read_bits(outcomes: Mapping[int, int], measured: Mapping[int, int]) -> dict[int, int]:
    """Counts over classical bits from counts over qubits; bits never written are 0."""
    pairs = tuple(measured.items())
    numbers: Sequence[int]
    if max((*measured, *measured.values()), default=0) < MAX_WORD:
        index = np.fromiter(outcomes, dtype=np.int64, count=len(outcomes))
        bits = np.zeros_like(index)
        for bit, qubit in pairs:
            bits |= (index >> qubit & 1) << bit
        numbers = bits.tolist()
    else:
        numbers = [sum(1 << bit for bit, qubit in pairs if i >> qubit & 1) for i in outcomes]
    read: dict[int, int] = {}
    for number, count in zip(numbers, outcomes.values(), strict=True):
        read[number] = read.get(number, 0) + count
    return read


def probabilities(state: AnyState, measured: Mapping[int, int]) -> dict[int, float]:
    """Exact probabilities over classical bits, those under 1e-12 dropped.

    Raises:
        KernelError: MAML904 when more than 2^20 outcomes are left, CHIM778 for a state that is not
            normalised.
    """
    qubits = sorted(set(measured.values()))
    chances = _marginal(on_host(state), qubits)
    check_norm(float(chances.sum()), tolerance(state))
    kept = np.flatnonzero(chances >= NEGLIGIBLE)
    if len(kept) > MAX_OUTCOMES:
        raise KernelError(
            "MAML904",
            f"{len(kept)} outcomes have a probability; at most {MAX_OUTCOMES} fit a result",
            phase=Phase.MEASURE,
            hint="set shots to a number, or measure fewer qubits",
        )
    place = {qubit: position for position, qubit in enumerate(qubits)}
    pairs = tuple((bit, place[qubit]) for bit, qubit in measured.items())
    return {
        sum(1 << bit for bit, position in pairs if int(i) >> position & 1): float(chances[i])
        for i in kept
    }


def _marginal(state: State, qubits: list[int]) -> NDArray[np.float64]:
    """Probabilities of the measured qubits; bit j of an index is qubits[j], ascending."""
    n = state.size.bit_length() - 1
    if len(qubits) == n:
        return weights(state)
    out = np.zeros(1 << len(qubits))
    for start, part in _chunks(state):
        index = np.arange(start, start + part.size)
        compact = np.zeros_like(index)
        for position, qubit in enumerate(qubits):
            compact |= (index >> qubit & 1) << position
        out += np.bincount(compact, weights(part), minlength=out.size)
    return out


def expectation(state: AnyState, observable: Observable) -> float:
    """⟨state|O|state⟩ ÷ ⟨state|state⟩, exact but for rounding.

    Raises:
        KernelError: CHIM778 for a state that is not normalised.
    """
    state = on_host(state)
    norm = sum(float(weights(part).sum()) for _, part in _chunks(state))
    check_norm(norm, tolerance(state))
    by_flip: dict[int, list[Term]] = {}
    for term in observable.terms:
        by_flip.setdefault(term.x, []).append(term)
    total: list[float] = []
    for flip, terms in by_flip.items():
        for start in range(0, len(terms), SIGN_ROWS):
            batch = terms[start : start + SIGN_ROWS]
            sums = _signed_overlaps(state, flip, [term.z for term in batch])
            turns = [1j ** ((term.x & term.z).bit_count() & 3) for term in batch]
            total += [
                term.coefficient * (complex(value) * turn).real
                for term, value, turn in zip(batch, sums, turns, strict=True)
            ]
    return math.fsum(total) / norm


def _signed_overlaps(state: State, flip: int, masks: list[int]) -> NDArray[np.complex128]:
    """Σ_i conj(state[i ^ flip]) · (−1)^|i ∧ mask| · state[i] for each mask; shape (masks,).

    Signs split into those of the low bits, the same in every chunk, and one of the high bits.
    """
    size = min(SIGN_CHUNK, state.size)
    low = np.arange(size)
    partner = low ^ (flip & (size - 1))
    signs = np.stack([1.0 - 2.0 * (np.bitwise_count(low & mask) & 1) for mask in masks])
    sums = np.zeros(len(masks), dtype=np.complex128)
    for start in range(0, state.size, size):
        part = state[start : start + size].astype(np.complex128)
        there = start ^ (flip & ~(size - 1))
        overlap = part * state[there : there + size][partner].conj()
        found = signs @ overlap.real + (1j * (signs @ overlap.imag) if flip else 0.0)
        sums += found * [-1.0 if (start & mask).bit_count() & 1 else 1.0 for mask in masks]
    return sums


def _chunks(state: State) -> Iterator[tuple[int, State]]:
    for start in range(0, state.size, CHUNK):
        yield start, state[start : start + CHUNK]
