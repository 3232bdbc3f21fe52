"""Circuit record `chimera.circuit/1`: what crosses from a stranger's code to a head, as plain JSON.

Strategy: a record holds known gates with finite float angles, nothing opaque and nothing callable.
`CircuitRecord.from_json` is the gate-keeper: it runs outside the sandbox on text that a hostile
block may have written, so names, arity, indices, numbers, unitarity and sizes are all checked
there, and whoever holds a `CircuitRecord` may rely on it. The format is written down in
docs/formats/circuit.md. Planning reads records too, so nothing here imports Qiskit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.digest import JSONValue, digest
from chimera_pipelines.quantum.operations import (
    MAX_CLBITS,
    MAX_QUBITS,
    Operation,
    RecordError,
    Register,
    walk,
)
from chimera_pipelines.quantum.validation import (
    RecordReader,
    malformed,
    read_real,
    read_registers,
    read_size,
    refused,
)

FORMAT = "chimera.circuit/1"
_KEYS = {"format", "qubits", "qregs", "clbits", "cregs", "global_phase", "operations"}


@dataclass(frozen=True, slots=True)
class CircuitRecord:
    """A validated circuit: registers in Qiskit's order, operations, global phase in radians."""

    num_qubits: int
    qregs: tuple[Register, ...]
    num_clbits: int
    cregs: tuple[Register, ...]
    operations: tuple[Operation, ...]
    global_phase: float = 0.0

    @classmethod
    def from_json(cls, value: JSONValue) -> CircuitRecord:
        """The record of a JSON value.

        Raises:
            RecordError: MAML904 where the value has not the record's shape, MAML319 where a gate
                is unknown or opaque, has wrong arity, indices, angles or matrix, or where the
                circuit is larger than the limits above.
        """
        if not isinstance(value, Mapping):
            raise malformed(f"a circuit record is an object, not {type(value).__name__!r}")
        if value.get("format") != FORMAT:
            raise malformed(
                f"circuit record of format {value.get('format')!r}; {FORMAT!r} is read here"
            )
        if set(value) != _KEYS:
            raise malformed(f"circuit record with the keys {sorted(map(str, value))!r}")
        qubits = read_size(value["qubits"], "qubits", MAX_QUBITS)
        clbits = read_size(value["clbits"], "classical bits", MAX_CLBITS)
        if qubits == 0:
            raise refused("the circuit has no qubits")
        qregs = read_registers(value["qregs"], qubits, "quantum")
        cregs = read_registers(value["cregs"], clbits, "classical")
        shared = {r.name for r in qregs if not r.lone} & {r.name for r in cregs if not r.lone}
        if shared:
            raise malformed(f"a quantum and a classical register are both {min(shared)!r}")
        reader = RecordReader(qubits, clbits, {r.name: r for r in cregs if not r.lone})
        return cls(
            num_qubits=qubits,
            qregs=qregs,
            num_clbits=clbits,
            cregs=cregs,
            operations=reader.sequence(value["operations"], 0),
            global_phase=read_real(value["global_phase"], "global phase"),
        )

    def as_json(self) -> dict[str, JSONValue]:
        """The record as JSON, the inverse of `from_json`."""
        return {
            "format": FORMAT,
            "qubits": self.num_qubits,
            "qregs": [register.as_json() for register in self.qregs],
            "clbits": self.num_clbits,
            "cregs": [register.as_json() for register in self.cregs],
            "global_phase": self.global_phase,
            "operations": [step.as_json() for step in self.operations],
        }

    to_json = as_json

    @property
    def digest(self) -> str:
        """Content id of the record."""
        return digest(self.as_json())

    @property
    def registers(self) -> tuple[str, ...]:
        """Names of the classical registers in the order of a key: the last one first."""
        return tuple(register.name for register in reversed(self.cregs))

    def walk(self) -> Iterator[Operation]:
        """Every operation, those in the bodies of `if` included, in textual order."""
        return walk(self.operations)


def from_json(value: JSONValue) -> CircuitRecord:
    """The record of a JSON value; see `CircuitRecord.from_json`."""
    return CircuitRecord.from_json(value)


def circuits_from_json(value: JSONValue) -> tuple[tuple[CircuitRecord, ...], bool]:
    """The circuits of what `write.encode_circuits` returned, and whether it was a list.

    Raises:
        RecordError: as `CircuitRecord.from_json`; an empty list is MAML412.
    """
    if (
        not isinstance(value, Mapping)
        or not isinstance(value.get("circuits"), list)
        or not isinstance(value.get("list"), bool)
    ):
        raise RecordError("MAML904", "no circuits came back", hint="return a QuantumCircuit")
    items: Any = value["circuits"]
    if not items:
        raise RecordError("MAML412", "the list of circuits is empty", hint="return at least one")
    return tuple(CircuitRecord.from_json(item) for item in items), bool(value["list"])
