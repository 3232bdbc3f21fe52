"""Measuring a state vector that stays where it is: sampling, probabilities, expectation values.

Strategy: nothing of the state's size is allocated beside it. Sampling takes sorted uniform numbers
from a seeded numpy generator through a two-level cumulative sum: probabilities of blocks of 2^12
amplitudes, then the amplitudes of the blocks that were hit (evidence/performance.md §9; rejection
never ends on a GHZ state). Expectation values walk the vector in chunks. Accumulation is in double
precision, also for single-precision states.

Arrays: `state` is complex64 or complex128 of shape (2^n,), C-contiguous; bit q of an index is
qubit q.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.measurement import NEGLIGIBLE
from chimera_pipelines.quantum.observables import Basis, Observable, Term, estimate

State = NDArray[np.complexfloating]

BLOCK = 1 << 12
CHUNK = 1 << 20
SIGN_CHUNK = 1 << 12  # temporaries of 64 KiB stay below the size that malloc maps anew each time
SIGN_ROWS = 64
MAX_OUTCOMES = 1 << 20


def generator(seed: int, *path: int) -> np.random.Generator:
    """The generator of one circuit (and basis) of a run: streams of one seed do not overlap."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=path)))


def weights(part: State) -> NDArray[np.float64]:
    """|amplitude|² in double precision; same shape."""
    real, imag = part.real.astype(np.float64), part.imag.astype(np.float64)
    return real * real + imag * imag


def sample(state: State, shots: int, rng: np.random.Generator) -> dict[int, int]:
    """`shots` draws from |state|²: basis index → count, by ascending index."""
    blocks = state.reshape(-1, min(BLOCK, state.size))
    sums = np.concatenate([weights(rows).sum(axis=1) for rows in _rows(blocks)])
    edges = np.cumsum(sums)
    draws = np.sort(rng.random(shots)) * edges[-1]
    home = _place(edges, draws)
    # Rounding may leave a draw below its block; clamped, it still never finds a zero amplitude.
    inside = np.maximum(draws - (edges[home] - sums[home]), 0.0)
    outcomes: dict[int, int] = {}
    hit, starts = np.unique(home, return_index=True)
    for block, start, end in zip(hit, starts, [*starts[1:], shots], strict=True):
        found = _place(np.cumsum(weights(blocks[block])), inside[start:end])
        index, times = np.unique(found, return_counts=True)
        base = int(block) * blocks.shape[1]
        outcomes |= {base + int(i): int(n) for i, n in zip(index, times, strict=True)}
    return outcomes


def _place(edges: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.intp]:
    """The step of a cumulative sum that each draw falls on, never one of weight zero."""
    last = np.searchsorted(edges, edges[-1], side="left")
    found: NDArray[np.intp] = np.searchsorted(edges, draws, side="right")
    return found.clip(max=last)


def read_bits(outcomes: Mapping[int, int], measured: Mapping[int, int]) -> dict[int, int]:
    """Counts over classical bits from counts over qubits; bits never written are 0."""
    pairs = tuple(measured.items())
    read: dict[int, int] = {}
    for index, count in outcomes.items():
        number = sum(1 << bit for bit, qubit in pairs if index >> qubit & 1)
        read[number] = read.get(number, 0) + count
    return read


def probabilities(state: State, measured: Mapping[int, int]) -> dict[int, float]:
    """Exact probabilities over classical bits, those under 1e-12 dropped.

    Raises:
        KernelError: MAML904 when more than 2^20 outcomes are left.
    """
    qubits = sorted(set(measured.values()))
    chances = _marginal(state, qubits)
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


def expectation(state: State, observable: Observable) -> float:
    """⟨state|O|state⟩ ÷ ⟨state|state⟩, exact but for rounding."""
    norm = math.fsum(float(weights(part).sum()) for _, part in _chunks(state))
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


def sampled_expectation(
    state: State, observable: Observable, shots: int, seed: int, at: int
) -> float:
    """The estimate from `shots` samples of each measured basis; `at` is the circuit's place."""
    parts = [observable.constant]
    for number, basis in enumerate(observable.bases()):
        turned = rotate(state, basis)
        outcomes = sample(turned, shots, generator(seed, at, number))
        parts.append(estimate(basis.terms, outcomes))
    return math.fsum(parts)


def rotate(state: State, basis: Basis) -> State:
    """The state with X and Y of a basis turned onto Z; the state itself where nothing turns."""
    turned = state
    for qubit in (*basis.from_x, *basis.from_y):
        pairs = turned.reshape(-1, 2, 1 << qubit)
        low, high = pairs[:, 0], pairs[:, 1]
        if qubit in basis.from_y:
            high = high * np.array(-1j, dtype=state.dtype)
        half = np.array(math.sqrt(0.5), dtype=state.real.dtype)
        turned = np.stack([(low + high) * half, (low - high) * half], axis=1).reshape(-1)
    return turned


def _chunks(state: State) -> Iterator[tuple[int, State]]:
    for start in range(0, state.size, CHUNK):
        yield start, state[start : start + CHUNK]


def _rows(blocks: State) -> Iterator[State]:
    step = max(1, CHUNK // blocks.shape[1])
    for start in range(0, len(blocks), step):
        yield blocks[start : start + step]
