"""The pieces of a circuit record: registers, conditions, operations, and the limits they obey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.gates import (
    IF,
    STATE_PREPARATION,
    STATE_PREPARATION_DG,
    UNITARY,
)

MAX_QUBITS = 4096
MAX_CLBITS = 65_536
MAX_OPERATIONS = 200_000
MAX_ENTRIES = 1 << 20
MAX_UNITARY_QUBITS = 8
MAX_PREPARED_QUBITS = 16
MAX_BYTES = 64 * 1024 * 1024
MAX_NESTING = 16

PREPARATIONS = frozenset({STATE_PREPARATION, STATE_PREPARATION_DG})
WITH_ENTRIES = PREPARATIONS | {UNITARY}


class RecordError(KernelError):
    """A circuit cannot be carried as a record (MAML319), or what came is no circuit (MAML904)."""


@dataclass(frozen=True, slots=True)
class Register:
    """Bits in order, lowest first. A lone bit is a register of one with `lone` set."""

    name: str
    bits: tuple[int, ...]
    lone: bool = False

    def as_json(self) -> dict[str, JSONValue]:
        """The register's object in the record."""
        out: dict[str, JSONValue] = {"name": self.name, "bits": list(self.bits)}
        return out | {"lone": True} if self.lone else out


@dataclass(frozen=True, slots=True)
class Condition:
    """True where the classical `bits`, lowest first, read as a number, are `value`.

    `register` names the register compared as a whole; None compares one bit.
    """

    bits: tuple[int, ...]
    value: int
    register: str | None = None

    def as_json(self) -> dict[str, JSONValue]:
        """The condition's object in the record."""
        if self.register is not None:
            return {"register": self.register, "value": self.value}
        return {"bit": self.bits[0], "value": self.value}


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a circuit.

    Attributes:
        name: a gate of `gates.GATES`, or measure, reset, barrier, unitary, state_preparation,
            state_preparation_dg, if.
        qubits: indices; controls first, targets last, as in Qiskit.
        clbits: of a measurement, the bit it writes.
        params: angles in radians.
        entries: of a unitary, row by row (qubits[0] the lowest bit of an index); of a state
            preparation, the amplitudes.
        condition, body, orelse: of an `if`.
    """

    name: str
    qubits: tuple[int, ...] = ()
    clbits: tuple[int, ...] = ()
    params: tuple[float, ...] = ()
    entries: tuple[complex, ...] = ()
    condition: Condition | None = None
    body: tuple[Operation, ...] = ()
    orelse: tuple[Operation, ...] = ()

    def as_json(self) -> dict[str, JSONValue]:
        """The operation's object in the record."""
        out: dict[str, JSONValue] = {"op": self.name}
        if self.qubits:
            out["qubits"] = list(self.qubits)
        if self.clbits:
            out["clbits"] = list(self.clbits)
        if self.params:
            out["params"] = list(self.params)
        if self.entries:
            out["entries"] = [part for z in self.entries for part in (z.real, z.imag)]
        if self.condition is not None:
            out["condition"] = self.condition.as_json()
            out["body"] = [step.as_json() for step in self.body]
            out["orelse"] = [step.as_json() for step in self.orelse]
        return out


def walk(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Every operation of a sequence and of the bodies nested in it."""
    for step in operations:
        yield step
        if step.name == IF:
            yield from walk(step.body)
            yield from walk(step.orelse)
