"""Which records qsim can take, and their gates as matrices."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.operations import PREPARATIONS, Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_GATE_QUBITS = 6  # of a gate in qsim


def fits_qsim(form: Form) -> bool:
    """Whether every operation of a unitary circuit is a gate that qsim can apply."""
    return all(
        len(step.qubits) <= MAX_GATE_QUBITS and step.name not in PREPARATIONS
        for step in form.body.operations
    )


def matrix(step: Operation) -> NDArray[np.complex128]:
    """The gate's unitary, shape (2^k, 2^k); bit j of an index is its j-th qubit."""
    return _matrix(replace(step, qubits=tuple(range(len(step.qubits)))))


@lru_cache(maxsize=4096)
def _matrix(step: Operation) -> NDArray[np.complex128]:
    import numpy as np
    from qiskit.circuit.exceptions import CircuitError
    from qiskit.quantum_info import Operator

    from chimera_pipelines.quantum.read import to_instruction

    gate = to_instruction(step)
    try:
        made = np.array(gate.to_matrix(), dtype=np.complex128)
    except CircuitError:  # a gate of several controls is defined by others
        made = np.array(Operator(gate).data, dtype=np.complex128)
    made.setflags(write=False)
    return made
