"""Results: counts, probabilities or expectation values, with keys in Qiskit's format.

A key names the last register first, its highest bit leftmost, one space between registers; a lone
bit is a register of one (MAML.md §4). Qiskit's own `get_counts` drops lone bits, so keys are made
here, from whole numbers whose bit b is classical bit b.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.record import CircuitRecord

NEGLIGIBLE = 1e-12

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one circuit gave. Exactly one of counts, probabilities and expectation is set.

    Attributes:
        registers: names of the classical registers in the order of a key.
        error: standard error of an expectation value from shots.
        shots: spent by an expectation value from shots, or by a budget.
    """

    counts: dict[str, int] | None = None
    probabilities: dict[str, float] | None = None
    expectation: float | None = None
    registers: tuple[str, ...] = ()
    error: float | None = None
    shots: int | None = None

    def as_json(self) -> dict[str, JSONValue]:
        """`{"counts" | "probabilities" | "expectation": …, "registers": […]}`.

        `error` and `shots` stand there where they are known.
        """
        out: dict[str, JSONValue] = {"registers": list(self.registers)}
        if self.counts is not None:
            out["counts"] = dict(self.counts)
        if self.probabilities is not None:
            out["probabilities"] = dict(self.probabilities)
        if self.expectation is not None:
            out["expectation"] = self.expectation
        if self.error is not None:
            out["error"] = self.error
        if self.shots is not None:
            out["shots"] = self.shots
        return out

    to_json = as_json

    @classmethod
    def from_json(cls, value: Mapping[str, JSONValue]) -> Measurement:
        """The inverse of `as_json`.

        Raises:
            KernelError: MAML904 for another shape.
        """
        registers, counts = value.get("registers", []), value.get("counts")
        chances, expectation = value.get("probabilities"), value.get("expectation")
        error, shots = value.get("error"), value.get("shots")
        if (
            not isinstance(registers, list)
            or not isinstance(counts, dict | None)
            or not isinstance(chances, dict | None)
            or isinstance(expectation, bool)
            or not isinstance(expectation, int | float | None)
        ):
            raise KernelError("MAML904", "not a measurement", phase=Phase.MEASURE)
        return cls(
            None if counts is None else {k: _whole(n) for k, n in counts.items()},
            None if chances is None else {k: _real(p) for k, p in chances.items()},
            None if expectation is None else float(expectation),
            tuple(str(name) for name in registers),
            None if error is None else _real(error),
            None if shots is None else _whole(shots),
        )


def named(record: CircuitRecord, outcomes: Mapping[int, _Number]) -> dict[str, _Number]:
    """Outcomes over classical bits (bit b of a number is classical bit b) under their keys."""
    key = keys(record)
    return {key(number): outcomes[number] for number in sorted(outcomes)}


def keys(record: CircuitRecord) -> Callable[[int], str]:
    """A function from an outcome number to its key."""
    groups = [tuple(reversed(register.bits)) for register in reversed(record.cregs)]
    width = record.num_clbits

    def key(number: int) -> str:
        bits = format(number, f"0{width}b")[::-1]
        return " ".join("".join([bits[bit] for bit in group]) for group in groups)

    return key


def _whole(value: JSONValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise KernelError("MAML904", f"{value!r:.40} is no integer", phase=Phase.MEASURE)
    return value


def _real(value: JSONValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KernelError("MAML904", f"{value!r:.40} is no number", phase=Phase.MEASURE)
    return float(value)
