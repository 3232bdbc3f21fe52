"""States and operators in plain numpy, written from the definitions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.linalg import expm

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def pauli(string: str) -> np.ndarray:
    """The matrix of a string, qubit 0 rightmost."""
    matrix = np.eye(1, dtype=complex)
    for letter in string:
        matrix = np.kron(matrix, PAULIS[letter])
    return matrix


def operator(strings: Mapping[str, float]) -> np.ndarray:
    return sum(c * pauli(string) for string, c in strings.items())


def on(letter: str, qubit: int, width: int) -> str:
    letters = ["I"] * width
    letters[width - 1 - qubit] = letter
    return "".join(letters)


def turned(string: str, angle: float) -> np.ndarray:
    """exp(-i angle P/2)."""
    return expm(-0.5j * angle * pauli(string))


def flipped(width: int, controls: tuple[int, ...], target: int) -> np.ndarray:
    matrix = np.zeros((1 << width, 1 << width))
    for index in range(1 << width):
        fires = all(index >> control & 1 for control in controls)
        matrix[index ^ (fires << target), index] = 1
    return matrix
