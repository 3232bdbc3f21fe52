"""Small matrices written from their definitions, to hold the package's results against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from chimera_pipelines.quantum.operations import Operation, Register
from chimera_pipelines.quantum.record import CircuitRecord

Array = npt.NDArray[np.complex128]
PAULI: dict[str, Array] = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=complex),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}


def pauli_matrix(strings: Mapping[str, float]) -> Array:
    """Σ coefficient · P, the rightmost letter being qubit 0."""
    total: Array = np.zeros((1, 1), dtype=complex)
    for string, coefficient in strings.items():
        product: Array = np.eye(1, dtype=complex)
        for letter in string:
            product = np.kron(product, PAULI[letter])
        total = total + coefficient * product
    return total


def on(gate: Array, qubit: int, width: int) -> Array:
    """A one-qubit gate among identities."""
    return np.kron(np.eye(1 << (width - qubit - 1)), np.kron(gate, np.eye(1 << qubit)))


def blank(width: int, *operations: Operation) -> CircuitRecord:
    """A record without classical bits."""
    return CircuitRecord(width, (Register("q", tuple(range(width))),), 0, (), operations)


def unitary(record: CircuitRecord) -> Array:
    """What Qiskit says that a record does."""
    from qiskit.quantum_info import Operator

    from chimera_pipelines.quantum.read import to_qiskit

    return np.asarray(Operator(to_qiskit(record)).data)


def ising(width: int, j: float, h: float) -> dict[str, float]:
    """-j Σ ZZ - h Σ X on an open chain."""

    def string(letters: Mapping[int, str]) -> str:
        return "".join(letters.get(q, "I") for q in reversed(range(width)))

    bonds = {string({q: "Z", q + 1: "Z"}): -j for q in range(width - 1)}
    return bonds | {string({q: "X"}): -h for q in range(width)}


def basis_state(width: int, rows: Sequence[int] = (0,)) -> Array:
    """Rows of basis states."""
    return np.eye(1 << width, dtype=complex)[list(rows)]
