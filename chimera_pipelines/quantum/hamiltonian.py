"""Hamiltonians as real sums of Pauli strings: algebra on bit masks, commutators, bounds of norms.

Strategy: a term is `observables.Term`, two masks and a real coefficient, so products are XORs and
commutators stay sparse. Real coefficients are what makes a sum of Pauli strings Hermitian; complex
ones are refused where a sum is made. The spectral norm of thousands of qubits cannot be computed,
so `norm_bound` never says less than it: coefficients of mutually anticommuting strings add in
squares (their squares are 1 and cross terms vanish), all others by the triangle inequality.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.observables import MAX_TERMS, Observable, Term, real_coefficients
from chimera_pipelines.quantum.reals import shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_DENSE_QUBITS = 13
_LOOKED_AT = 8  # newest anticommuting families of a qubit that a term is tried against
_NEGLIGIBLE = 1e-300


@dataclass(frozen=True, slots=True)
class Group:
    """Terms that are diagonal in one product basis, hence commute.

    Attributes:
        hamiltonian: the terms.
        from_x, from_y: masks of the qubits that are diagonal in X and in Y; the rest are in Z.
        local: whether every term acts on one qubit at most.
    """

    hamiltonian: PauliSum
    from_x: int
    from_y: int
    local: bool

    def diagonal(self) -> tuple[tuple[float, int], ...]:
        """Coefficient and mask of each term, as products of Z in the group's basis."""
        return tuple((term.coefficient, term.x | term.z) for term in self.hamiltonian.terms)


@dataclass(frozen=True, slots=True)
class PauliSum:
    """A Hermitian operator: sum of coefficient · i^|x∧z| · X^x Z^z, each pair of masks once.

    Attributes:
        num_qubits: width; bit q of a mask is qubit q.
        terms: in the order they were given, none of coefficient 0.
    """

    num_qubits: int
    terms: tuple[Term, ...]

    @classmethod
    def from_json(
        cls, value: JSONValue | Mapping[str, JSONValue] | Mapping[str, float], num_qubits: int
    ) -> PauliSum:
        """The sum of `{pauli: coefficient}`, qubit 0 rightmost.

        Raises:
            KernelError: CHIM770 for another shape, letters other than IXYZ, another length than
                `num_qubits`, coefficients that are complex or not finite, nor their sum.
        """
        if not isinstance(value, Mapping) or not value:
            raise _bad("a Hamiltonian is an object of Pauli strings and real coefficients")
        if len(value) > MAX_TERMS:
            raise _bad(f"{len(value)} Pauli strings; at most {MAX_TERMS} are allowed")
        for string, coefficient in value.items():
            if not isinstance(string, str) or not string or not set(string) <= set("IXYZ"):
                raise _bad(f"{string!r:.80} is not a Pauli string of the letters IXYZ")
            if len(string) != num_qubits:
                raise _bad(f"Pauli string {string!r:.80} for {num_qubits} qubits")
            if isinstance(coefficient, complex | list | Mapping):
                raise _bad(
                    f"coefficient {shown(coefficient)} of {string!r:.80} is complex: the sum would "
                    "not be Hermitian"
                )
        strings = real_coefficients(value, _bad)
        return cls.of(num_qubits, Observable(num_qubits, strings).terms)

    @classmethod
    def of(cls, num_qubits: int, terms: Iterable[Term]) -> PauliSum:
        """The sum of terms; equal strings are added up and those that vanish left out."""
        total: dict[tuple[int, int], float] = defaultdict(float)
        for term in terms:
            total[term.x, term.z] += term.coefficient
        return cls._from_masks(num_qubits, total)

    @classmethod
    def _from_masks(cls, num_qubits: int, total: Mapping[tuple[int, int], float]) -> PauliSum:
        kept = (Term(c, x, z) for (x, z), c in total.items() if abs(c) > _NEGLIGIBLE)
        return cls(num_qubits, tuple(kept))

    def __add__(self, other: PauliSum) -> PauliSum:
        return PauliSum.of(self.num_qubits, (*self.terms, *other.terms))

    def scaled(self, factor: float) -> PauliSum:
        """The sum times a real number."""
        return PauliSum.of(
            self.num_qubits, (Term(factor * t.coefficient, t.x, t.z) for t in self.terms)
        )

    def combined(self, others: Sequence[tuple[float, PauliSum]]) -> PauliSum:
        """This sum and multiples of others."""
        parts = [term for factor, other in others for term in other.scaled(factor).terms]
        return PauliSum.of(self.num_qubits, (*self.terms, *parts))

    @property
    def constant(self) -> float:
        """Coefficient of the identity."""
        return math.fsum(t.coefficient for t in self.terms if not t.x | t.z)

    def strings(self) -> dict[str, float]:
        """`{pauli: coefficient}`, qubit 0 rightmost."""
        return {_string(t, self.num_qubits): t.coefficient for t in self.terms}

    def observable(self) -> Observable:
        """The same operator, to be measured."""
        return Observable(self.num_qubits, tuple(self.strings().items()))

    def commutator(self, other: PauliSum) -> PauliSum:
        """i·[self, other], which is Hermitian again."""
        total: dict[tuple[int, int], float] = defaultdict(float)
        for a, b in self._noncommuting(other):
            x, z = a.x ^ b.x, a.z ^ b.z
            turns = (a.x & a.z).bit_count() + (b.x & b.z).bit_count()
            turns += 2 * (a.z & b.x).bit_count() - (x & z).bit_count()
            sign = -2.0 if turns % 4 == 1 else 2.0  # i · 2 · i^turns, turns being odd
            total[x, z] += sign * a.coefficient * b.coefficient
        return PauliSum._from_masks(self.num_qubits, total)

    def _noncommuting(self, other: PauliSum) -> Iterator[tuple[Term, Term]]:
        beside: dict[int, list[int]] = defaultdict(list)
        for at, term in enumerate(other.terms):
            for qubit in _bits(term.x | term.z):
                beside[qubit].append(at)
        for a in self.terms:
            near = {at for qubit in _bits(a.x | a.z) for at in beside[qubit]}
            for at in sorted(near):
                if not commute(a, other.terms[at]):
                    yield a, other.terms[at]

    @property
    def one_norm(self) -> float:
        """Sum of the absolute coefficients, the identity's included."""
        return math.fsum(abs(term.coefficient) for term in self.terms)

    def norm_bound(self) -> float:
        """A number that the spectral norm does not exceed."""
        families: list[list[Term]] = []
        beside: dict[int, list[int]] = defaultdict(list)  # families that act on a qubit
        for term in sorted(self.terms, key=lambda t: -abs(t.coefficient)):
            support = tuple(_bits(term.x | term.z))
            tried = {at for qubit in support[:_LOOKED_AT] for at in beside[qubit][-_LOOKED_AT:]}
            for at in sorted(tried):
                if not any(commute(term, known) for known in families[at]):
                    break
            else:
                at = len(families)
                families.append([])
            families[at].append(term)
            for qubit in support:
                beside[qubit].append(at)
        return math.fsum(math.hypot(*(t.coefficient for t in family)) for family in families)

    def groups(self) -> tuple[Group, ...]:
        """The terms but the identity: products of Z first, then greedily by shared basis."""
        kept = [term for term in self.terms if term.x | term.z]
        made: list[tuple[list[Term], list[int]]] = []
        for term in sorted(kept, key=lambda t: t.x != 0):
            fitting = next((part for part in made if _fits(term, part[1])), None)
            if fitting is None:
                fitting = ([], [0, 0, 0])
                made.append(fitting)
            terms, masks = fitting
            terms.append(term)
            for at, mask in enumerate(_letters(term)):
                masks[at] |= mask
        return tuple(
            Group(
                PauliSum(self.num_qubits, tuple(terms)),
                masks[0],
                masks[1],
                all((term.x | term.z).bit_count() == 1 for term in terms),
            )
            for terms, masks in made
        )

    def dense(self) -> npt.NDArray[np.complex128]:
        """The matrix, shape (2^n, 2^n), for small widths.

        Raises:
            KernelError: CHIM770 above 13 qubits.
        """
        import numpy as np

        if self.num_qubits > MAX_DENSE_QUBITS:
            raise _bad(f"the matrix of {self.num_qubits} qubits; at most {MAX_DENSE_QUBITS}")
        index = np.arange(1 << self.num_qubits)
        out = np.zeros((index.size, index.size), dtype=np.complex128)
        for term in self.terms:
            signs = 1 - 2.0 * (np.bitwise_count(index & term.z) & 1)
            phase = 1j ** (term.x & term.z).bit_count()
            out[index ^ term.x, index] += term.coefficient * phase * signs
        return out


def commute(a: Term, b: Term) -> bool:
    """Whether two strings commute; they anticommute otherwise."""
    return ((a.x & b.z).bit_count() + (a.z & b.x).bit_count()) % 2 == 0


def _letters(term: Term) -> tuple[int, int, int]:
    """Masks of a term's X, Y and Z."""
    return term.x & ~term.z, term.x & term.z, term.z & ~term.x


def _fits(term: Term, masks: Sequence[int]) -> bool:
    """Whether a term agrees with a basis wherever neither is the identity."""
    own = _letters(term)
    support = term.x | term.z
    return all((masks[at] & support) & ~own[at] == 0 for at in range(3))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _string(term: Term, num_qubits: int) -> str:
    return "".join(
        "IXZY"[(term.x >> q & 1) + 2 * (term.z >> q & 1)] for q in reversed(range(num_qubits))
    )


def _bad(message: str) -> KernelError:
    return KernelError(
        "CHIM770",
        message,
        phase=Phase.EMBED,
        hint="one letter of IXYZ a qubit, qubit 0 rightmost, and finite real coefficients",
    )
