"""Observables: weighted sums of Pauli strings, their grouping by basis, and their estimates.

A string has one letter a qubit, qubit 0 rightmost, as in Qiskit. Terms that agree on every qubit
where neither is the identity share one measured basis (qubit-wise commuting), so shots are spent
once for each of them. Terms join bases greedily in the order written; where a colouring of the
terms by falling number of conflicts needs fewer bases, it is taken instead (`grouping`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.grouping import groups
from chimera_pipelines.quantum.reals import finite_real, shown

MAX_TERMS = 100_000


@dataclass(frozen=True, slots=True)
class Term:
    """coefficient · i^|x∧z| · X^x Z^z, with masks over qubits (bit q is qubit q)."""

    coefficient: float
    x: int
    z: int


@dataclass(frozen=True, slots=True)
class Basis:
    """Terms measured together: the qubits to rotate from X or Y, and each term's mask of bits."""

    from_x: tuple[int, ...]
    from_y: tuple[int, ...]
    terms: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Observable:
    """A real combination of Pauli strings over `num_qubits` qubits."""

    num_qubits: int
    strings: tuple[tuple[str, float], ...]

    @classmethod
    def from_json(cls, value: JSONValue | Mapping[str, float], num_qubits: int) -> Observable:
        """The observable of `{pauli: coefficient}`.

        Raises:
            KernelError: MAML904 for another shape, letters other than IXYZ, another length than
                the circuit's width, coefficients that are not finite real numbers, nor their sum.
        """
        if not isinstance(value, Mapping) or not value:
            raise _bad("an observable is an object of Pauli strings and real coefficients")
        if len(value) > MAX_TERMS:
            raise _bad(f"{len(value)} Pauli strings; at most {MAX_TERMS} are allowed")
        for string, coefficient in value.items():
            if not isinstance(string, str) or not set(string) <= set("IXYZ"):
                raise _bad(f"{string!r:.80} is not a Pauli string of the letters IXYZ")
            if len(string) != num_qubits:
                raise _bad(f"Pauli string {string!r:.80} for a circuit of {num_qubits} qubits")
            if isinstance(coefficient, complex):
                raise _bad(f"{coefficient} times {string!r:.80} is not Hermitian")
        return cls(num_qubits, real_coefficients(value, _bad))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The strings as bit masks."""
        return tuple(_term(string, coefficient) for string, coefficient in self.strings)

    @property
    def constant(self) -> float:
        """Sum of the coefficients of the identity, which needs no shots."""
        return math.fsum(c for string, c in self.strings if not string.strip("I"))

    def bases(self) -> tuple[Basis, ...]:
        """The terms but the identity, grouped by measured basis, in order of first appearance."""
        return _bases(self.strings)


@lru_cache(maxsize=64)
def _bases(strings: tuple[tuple[str, float], ...]) -> tuple[Basis, ...]:
    measured = [(string, c) for string, c in strings if string.strip("I")]
    return tuple(
        _basis([measured[at] for at in group]) for group in groups([s for s, _ in measured])
    )


def _basis(members: Sequence[tuple[str, float]]) -> Basis:
    letters = {q: p for string, _ in members for q, p in enumerate(reversed(string)) if p != "I"}
    return Basis(
        tuple(sorted(q for q, p in letters.items() if p == "X")),
        tuple(sorted(q for q, p in letters.items() if p == "Y")),
        tuple((c, sum(1 << q for q, p in enumerate(reversed(s)) if p != "I")) for s, c in members),
    )


def _term(string: str, coefficient: float) -> Term:
    x = sum(1 << q for q, p in enumerate(reversed(string)) if p in "XY")
    z = sum(1 << q for q, p in enumerate(reversed(string)) if p in "YZ")
    return Term(coefficient, x, z)


def real_coefficients(
    value: Mapping[str, Any], bad: Callable[[str], KernelError]
) -> tuple[tuple[str, float], ...]:
    """Strings with their coefficients as doubles.

    Raises:
        KernelError: as `bad` makes it, for a coefficient that is no finite real number, or a sum of
            them that is none.
    """
    strings: list[tuple[str, float]] = []
    for string, coefficient in value.items():
        number = finite_real(coefficient)
        if number is None:
            raise bad(
                f"coefficient of {string!r:.80} is {shown(coefficient)}, no finite real number"
            )
        strings.append((string, number))
    if not math.isfinite(sum(abs(coefficient) for _, coefficient in strings)):
        raise bad("the sum of the coefficients is not finite")
    return tuple(strings)


def _bad(message: str) -> KernelError:
    return KernelError(
        "MAML904",
        message,
        phase=Phase.MEASURE,
        hint="one letter of IXYZ a qubit, qubit 0 rightmost, and real coefficients",
    )
