"""What counted outcomes say about Pauli terms measured together: mean and spread.

Outcomes are basis index → count, bit q of an index being qubit q; terms are (coefficient, mask of
qubits whose parity is read).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FEW = 64  # outcomes that plain integers add faster than an array


def estimate(terms: Sequence[tuple[float, int]], outcomes: Mapping[int, int]) -> float:
    """Mean of the terms over outcomes (basis index → count), bit q being qubit q."""
    shots = sum(outcomes.values())
    return math.fsum(c * _signed(outcomes, mask) / shots for c, mask in terms)


def spread(terms: Sequence[tuple[float, int]], outcomes: Mapping[int, int]) -> float:
    """Sample variance of one shot's value, covariances of the terms included; 0 of one shot."""
    shots = sum(outcomes.values())
    if shots < 2:  # noqa: PLR2004
        return 0.0
    values = np.zeros(len(outcomes))
    for coefficient, mask in terms:
        values += coefficient * _signs(outcomes, mask)
    times = np.fromiter(outcomes.values(), dtype=np.float64, count=len(outcomes))
    mean = float(values @ times) / shots
    return float((values - mean) ** 2 @ times) / (shots - 1)


def _signed(outcomes: Mapping[int, int], mask: int) -> int:
    """Outcomes of even parity on the mask less those of odd parity."""
    if len(outcomes) < FEW:
        return sum(-n if (index & mask).bit_count() & 1 else n for index, n in outcomes.items())
    times = np.fromiter(outcomes.values(), dtype=np.int64, count=len(outcomes))
    return int(_signs(outcomes, mask) @ times)


def _signs(outcomes: Mapping[int, int], mask: int) -> NDArray[np.int64]:
    """1 for outcomes of even parity on the mask, else -1; any width."""
    if max(mask, *outcomes) < 1 << 63:
        index = np.fromiter(outcomes, dtype=np.int64, count=len(outcomes))
        odd = np.bitwise_count(index & mask).astype(np.int64) & 1
    else:
        odd = np.array([(index & mask).bit_count() & 1 for index in outcomes], dtype=np.int64)
    signs: NDArray[np.int64] = 1 - 2 * odd
    return signs
