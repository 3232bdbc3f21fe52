"""Reading a circuit record from untrusted JSON: every rule of the format, checked once, here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chimera_pipelines.quantum.gates import BARRIER, GATES, IF, MEASURE, RESET, UNITARY
from chimera_pipelines.quantum.operations import (
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_NESTING,
    MAX_OPERATIONS,
    MAX_PREPARED_QUBITS,
    MAX_UNITARY_QUBITS,
    WITH_ENTRIES,
    Condition,
    Operation,
    RecordError,
    Register,
)

TOLERANCE = 1e-8
NORM_TOLERANCE = 1e-10  # Qiskit refuses to prepare what is further off
MAX_NAME = 256
STEP_KEYS = {"op", "qubits", "clbits", "params", "entries", "condition", "body", "orelse"}


class RecordReader:
    """Reads operations and keeps count, so that limits hold over all nested bodies together."""

    def __init__(self, qubits: int, clbits: int, registers: Mapping[str, Register]) -> None:
        self.qubits = qubits
        self.clbits = clbits
        self.registers = registers
        self.operations = 0
        self.entries = 0
        self.bytes = 0

    def sequence(self, value: object, depth: int) -> tuple[Operation, ...]:
        """A list of operations, at a depth of nested `if`."""
        if not isinstance(value, list):
            raise malformed("the operations of a circuit are a list")
        if depth > MAX_NESTING:
            raise refused(f"'if' nested more than {MAX_NESTING} deep")
        self.operations += len(value)
        if self.operations > MAX_OPERATIONS:
            raise refused(f"more than {MAX_OPERATIONS} operations in one circuit")
        return tuple(self.operation(step, depth) for step in value)

    def operation(self, step: object, depth: int) -> Operation:
        """One operation, in full."""
        if not isinstance(step, dict) or not isinstance(step.get("op"), str):
            raise malformed("an operation is an object with a text 'op'")
        if not STEP_KEYS.issuperset(step):
            raise malformed(f"operation with the keys {sorted(map(str, step))!r}")
        name: str = step["op"]
        if name == IF:
            return self.branch(step, depth)
        if not {"op", "qubits", "clbits", "params", "entries"}.issuperset(step):
            raise refused(f"{name[:MAX_NAME]!r} takes no condition")
        qubits = self.indices(step.get("qubits", []), self.qubits, name, "qubit")
        clbits = self.indices(step.get("clbits", []), self.clbits, name, "classical bit")
        params = self.params(step.get("params", []), name)
        entries = self.numbers(step.get("entries", []), name)
        _arity(name, len(qubits), len(clbits), len(params))
        if (name in WITH_ENTRIES) != bool(entries):
            raise refused(f"{name!r} with {len(entries)} matrix entries")
        if name in WITH_ENTRIES:
            _check_entries(name, len(qubits), entries)
        self.grow(8 * (len(qubits) + len(clbits) + len(params)) + 16 * len(entries) + 64)
        return Operation(name, qubits, clbits, params, entries)

    def branch(self, step: Mapping[str, Any], depth: int) -> Operation:
        """An `if` with its bodies."""
        if set(step) != {"op", "condition", "body", "orelse"}:
            raise malformed(f"'if' with the keys {sorted(step)!r}")
        return Operation(
            IF,
            condition=self.condition(step["condition"]),
            body=self.sequence(step["body"], depth + 1),
            orelse=self.sequence(step["orelse"], depth + 1),
        )

    def condition(self, value: object) -> Condition:
        """The condition of an `if`."""
        if not isinstance(value, dict) or not is_integer(value.get("value")) or len(value) != 2:  # noqa: PLR2004
            raise malformed("the condition of an 'if' is {bit | register, value}")
        name, number = value.get("register"), int(value["value"])
        if isinstance(name, str):
            if name not in self.registers:
                raise refused(f"condition on the unknown register {name[:MAX_NAME]!r}")
            bits = self.registers[name].bits
        else:
            name, bits = None, self.indices([value.get("bit")], self.clbits, IF, "classical bit")
        if not 0 <= number < 1 << len(bits):
            raise refused(f"condition compares {len(bits)} bits with {number}")
        return Condition(bits, number, name)

    def indices(self, value: object, limit: int, name: str, kind: str) -> tuple[int, ...]:
        """Distinct indices below a limit."""
        if not isinstance(value, list) or not all(is_integer(i) for i in value):
            raise malformed(f"the {kind}s of {name[:MAX_NAME]!r} are a list of integers")
        for index in value:
            if not 0 <= index < limit:
                raise refused(f"{name[:MAX_NAME]!r} on {kind} {index}; the circuit has {limit}")
        if len(set(value)) != len(value):
            raise refused(f"{name[:MAX_NAME]!r} names a {kind} twice: {value[:16]!r}")
        return tuple(value)

    def params(self, value: object, name: str) -> tuple[float, ...]:
        """Finite angles."""
        if not isinstance(value, list):
            raise malformed(f"the angles of {name[:MAX_NAME]!r} are a list")
        return tuple(read_real(x, f"angle of {name[:MAX_NAME]!r}") for x in value)

    def numbers(self, value: object, name: str) -> tuple[complex, ...]:
        """Complex entries from pairs of finite numbers."""
        if not isinstance(value, list) or len(value) % 2:
            raise malformed(f"the entries of {name[:MAX_NAME]!r} are a list of pairs, flattened")
        self.entries += len(value) // 2
        if self.entries > MAX_ENTRIES:
            raise refused(f"more than {MAX_ENTRIES} matrix entries in one circuit")
        parts = [read_real(x, f"entry of {name[:MAX_NAME]!r}") for x in value]
        return tuple(map(complex, parts[0::2], parts[1::2]))

    def grow(self, size: int) -> None:
        """Count bytes against the limit of one circuit."""
        self.bytes += size
        if self.bytes > MAX_BYTES:
            raise refused(f"a circuit of more than {MAX_BYTES} bytes")


def _arity(name: str, qubits: int, clbits: int, params: int) -> None:
    if name == MEASURE:
        good = (qubits, clbits, params) == (1, 1, 0)
    elif name == RESET:
        good = (qubits, clbits, params) == (1, 0, 0)
    elif name == BARRIER:
        good = (clbits, params) == (0, 0)
    elif name in WITH_ENTRIES:
        good = qubits > 0 and (clbits, params) == (0, 0)
    elif name in GATES:
        kind = GATES[name]
        fits = qubits > 1 if kind.qubits is None else qubits == kind.qubits
        good = fits and (clbits, params) == (0, kind.angles)
    else:
        raise refused(
            f"unknown gate {name[:MAX_NAME]!r}",
            hint="build it from standard gates, or give its unitary matrix",
        )
    if not good:
        raise refused(f"{name!r} with {qubits} qubits, {clbits} bits and {params} angles")


def _check_entries(name: str, qubits: int, entries: Sequence[complex]) -> None:
    import numpy as np

    limit = MAX_UNITARY_QUBITS if name == UNITARY else MAX_PREPARED_QUBITS
    if qubits > limit:
        raise refused(f"{name!r} on {qubits} qubits; at most {limit} are allowed")
    side = 1 << qubits
    if len(entries) != (side * side if name == UNITARY else side):
        raise refused(f"{name!r} on {qubits} qubits with {len(entries)} entries")
    array = np.array(entries, dtype=np.complex128)
    with np.errstate(over="ignore", invalid="ignore"):
        if name == UNITARY:
            matrix = array.reshape(side, side)
            off = float(np.abs(matrix.conj().T @ matrix - np.eye(side)).max())
        else:
            off = abs(float(np.vdot(array, array).real) - 1.0)
    if not off <= (TOLERANCE * side if name == UNITARY else NORM_TOLERANCE):
        what = "not unitary" if name == UNITARY else "not of norm 1"
        raise refused(f"the entries of {name!r} are {what}: off by {off:.3g}")


def read_registers(value: object, size: int, kind: str) -> tuple[Register, ...]:
    """Registers that name each bit of a circuit exactly once."""
    if not isinstance(value, list):
        raise malformed(f"the {kind} registers are a list")
    registers = tuple(_register(item, kind) for item in value)
    seen = sorted(bit for register in registers for bit in register.bits)
    if seen != list(range(size)):
        raise malformed(f"the {kind} registers do not name each of {size} bits once")
    names = [register.name for register in registers]
    if len(set(names)) != len(names):
        raise malformed(f"two {kind} registers have one name")
    return registers


def _register(item: object, kind: str) -> Register:
    if not isinstance(item, dict) or not {"name", "bits", "lone"}.issuperset(item):
        raise malformed(f"a {kind} register is {{name, bits, lone}}")
    name, bits, lone = item.get("name"), item.get("bits"), item.get("lone", False)
    if not isinstance(name, str) or len(name) > MAX_NAME or not isinstance(lone, bool):
        raise malformed(f"a {kind} register has a name of at most {MAX_NAME} characters")
    if not isinstance(bits, list) or not all(is_integer(bit) for bit in bits):
        raise malformed(f"the bits of the {kind} register {name!r} are a list of integers")
    if not name or not bits:
        raise malformed(f"a {kind} register without a name or without bits")
    if lone and len(bits) != 1:
        raise malformed(f"the lone bit {name!r} is {len(bits)} bits")
    return Register(name, tuple(bits), lone)


def read_size(value: object, what: str, limit: int) -> int:
    """A count of qubits or bits, within its limit."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise malformed(f"the number of {what} is {value!r}")
    if value > limit:
        raise refused(f"{value} {what}; at most {limit} are allowed")
    return value


def is_integer(value: object) -> bool:
    """Whether a JSON value is an integer (true and false are none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def read_real(value: object, what: str) -> float:
    """A finite double."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"{what} is {value!r:.80}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(f"{what} is not finite")
    return number


def malformed(message: str) -> RecordError:
    """The error of a value that has not the record's shape."""
    return RecordError("MAML904", message, hint="return a QuantumCircuit or a list of them")


def refused(message: str, *, hint: str | None = None) -> RecordError:
    """The error of a circuit that breaks a rule."""
    return RecordError("MAML319", message, hint=hint)
