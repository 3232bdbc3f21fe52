"""One operation after the other of a circuit, as stim writes it.

What is read is the shape of `quantum.record`'s circuit record, given as protocols because this
package and that one stand on the same floor: names are Qiskit's, qubits and bits are indices.
Gates of the tables keep their names; any other on up to three qubits is taken by its matrix, when
that is a Clifford's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import stim

from chimera_pipelines.errors import ChimeraError

ONE: Final = {
    "id": "I",
    "x": "X",
    "y": "Y",
    "z": "Z",
    "h": "H",
    "s": "S",
    "sdg": "S_DAG",
    "sx": "SQRT_X",
    "sxdg": "SQRT_X_DAG",
}
TWO: Final = {"cx": "CX", "cy": "CY", "cz": "CZ", "swap": "SWAP", "iswap": "ISWAP"}
TURNS: Final[dict[str, tuple[str | None, str, str | None, str]]] = {
    "rx": (None, "SQRT_X", "X", "SQRT_X_DAG"),
    "ry": (None, "SQRT_Y", "Y", "SQRT_Y_DAG"),
    "rz": (None, "S", "Z", "S_DAG"),
    "p": (None, "S", "Z", "S_DAG"),
    "u1": (None, "S", "Z", "S_DAG"),
}
"""Rotations by 0, 1, 2, 3 quarter turns, up to a global phase."""
_FEEDBACK: Final = {"x": "CX", "y": "CY", "z": "CZ"}
_MOST_QUBITS: Final = 3
_TOLERANCE: Final = 1e-9
_SINGLE: Final = 1e-5  # stim's matrices are in single precision


class BridgeError(ChimeraError):
    """CHIM795: a circuit that stim cannot hold, or parities that a circuit does not have."""


class Condition(Protocol):
    """True where the classical `bits` read as a number are `value`."""

    @property
    def bits(self) -> tuple[int, ...]:
        """Classical bits, lowest first."""
        ...

    @property
    def value(self) -> int:
        """Number that they read as."""
        ...

    @property
    def register(self) -> str | None:
        """Register compared as a whole; None: one bit."""
        ...


class Step(Protocol):
    """One operation, as in a circuit record."""

    @property
    def name(self) -> str:
        """Qiskit's name of it."""
        ...

    @property
    def qubits(self) -> tuple[int, ...]:
        """Indices; controls first."""
        ...

    @property
    def clbits(self) -> tuple[int, ...]:
        """Bits that a measurement writes."""
        ...

    @property
    def params(self) -> tuple[float, ...]:
        """Angles in radians."""
        ...

    @property
    def entries(self) -> tuple[complex, ...]:
        """Matrix of a unitary, row by row."""
        ...

    @property
    def condition(self) -> Condition | None:
        """Of an `if`."""
        ...

    @property
    def body(self) -> Sequence[Step]:
        """Steps where the condition holds."""
        ...

    @property
    def orelse(self) -> Sequence[Step]:
        """Steps where it does not."""
        ...


class StimWriter:
    """Writes steps into a stim circuit and keeps where each classical bit was last written.

    Attributes:
        out: the circuit so far.
        record: for each classical bit its newest measurement.
    """

    def __init__(self, qubits: int) -> None:
        self.out = stim.Circuit()
        self.record: dict[int, int] = {}
        self._measured = 0
        self._qubits = qubits

    def write(self, steps: Sequence[Step]) -> None:
        """Writes the steps.

        Raises:
            BridgeError: CHIM795 for what is no Clifford operation.
        """
        for step in steps:
            self._step(step)

    def _step(self, step: Step) -> None:
        simple: dict[str, Callable[[Step], None]] = {
            "measure": self._measure,
            "reset": lambda one: self.out.append("R", list(one.qubits)),
            "barrier": lambda _: self.out.append("TICK"),
            "delay": lambda _: None,
            "if": self._if,
        }
        if step.name in simple:
            simple[step.name](step)
            return
        for name, targets in clifford(step):
            self.out.append(name, [step.qubits[n] for n in targets])

    def _measure(self, step: Step) -> None:
        self.out.append("M", list(step.qubits))
        for bit in step.clbits:
            self.record[bit] = self._measured
            self._measured += 1

    def _if(self, step: Step) -> None:
        condition = step.condition
        if condition is None or condition.register is not None or len(condition.bits) != 1:
            named = f"register {condition.register!r}" if condition else "nothing"
            raise BridgeError(
                "CHIM795",
                f"a condition on {named} cannot become feedback",
                hint="test one bit at a time: if_test((circuit.clbits[k], 1))",
            )
        for value, body in ((condition.value, step.body), (1 - condition.value, step.orelse)):
            for one in body:
                self._feedback(one, condition.bits[0], value)

    def _feedback(self, step: Step, bit: int, value: int) -> None:
        if step.name in {"barrier", "id", "delay"}:
            return
        if step.name not in _FEEDBACK:
            raise BridgeError(
                "CHIM795",
                f"operation {step.name!r} under a condition: feedback must be X, Y or Z",
                hint="keep other gates outside if_test",
            )
        if not value:  # always, and undone when the bit is 1
            self.out.append(step.name.upper(), list(step.qubits))
        if bit in self.record:  # a bit that nothing was written to is 0
            target = stim.target_rec(self.record[bit] - self._measured)
            for qubit in step.qubits:
                self.out.append(_FEEDBACK[step.name], [target, qubit])


def clifford(step: Step) -> list[tuple[str, list[int]]]:
    """Gates of stim and the places of their targets among the step's qubits.

    Raises:
        BridgeError: CHIM795 when the step is no Clifford gate.
    """
    places = list(range(len(step.qubits)))
    if step.name in ONE or step.name in TWO:
        return [((ONE | TWO)[step.name], places)]
    if step.name in TURNS:
        turns = step.params[0] / (math.pi / 2)
        if abs(turns - round(turns)) > _TOLERANCE:
            raise _no_clifford(step)
        gate = TURNS[step.name][round(turns) % 4]
        return [(gate, places)] if gate else []
    matrix = _matrix(step)
    if matrix is None:
        raise _no_clifford(step)
    found = tableau(matrix)
    if found is None:
        raise _no_clifford(step)
    return [
        (one.name, [target.value for target in one.targets_copy()])
        for one in found.to_circuit("elimination")
    ]


def tableau(matrix: npt.NDArray[np.complex128]) -> stim.Tableau | None:
    """The Clifford that a unitary matrix is up to its phase, or None."""
    try:
        found = stim.Tableau.from_unitary_matrix(matrix.astype(np.complex64), endian="little")
    except ValueError:
        return None
    overlap = np.vdot(found.to_unitary_matrix(endian="little"), matrix) / len(matrix)
    return found if abs(abs(overlap) - 1) < _SINGLE else None


def _matrix(step: Step) -> npt.NDArray[np.complex128] | None:
    if len(step.qubits) > _MOST_QUBITS:
        return None
    size = 1 << len(step.qubits)
    if step.entries:
        given = np.asarray(step.entries, np.complex128)
        return given.reshape(size, size) if given.size == size * size else None
    from qiskit.circuit.library import get_standard_gate_name_mapping

    gate: Any = get_standard_gate_name_mapping().get(step.name)
    if gate is None or gate.num_qubits != len(step.qubits):
        return None
    try:
        built = gate.base_class(*step.params)
        return np.asarray(built.to_matrix(), np.complex128)
    except Exception:  # noqa: BLE001 - whatever Qiskit says, there is no matrix
        return None


def _no_clifford(step: Step) -> BridgeError:
    angles = f"({', '.join(f'{angle:.6g}' for angle in step.params)})" if step.params else ""
    return BridgeError(
        "CHIM795",
        f"gate '{step.name}{angles}' on qubits {list(step.qubits)} is no Clifford gate",
        hint="stim holds Clifford gates, measure, reset, barrier and Pauli feedback",
    )
