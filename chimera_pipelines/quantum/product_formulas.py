"""Suzuki-Trotter product formulas and a rigorous bound of their error from commutators.

Strategy: a formula for H = Σ_g H_g is a list of stages (g, a): the product of exp(-i t a H_g), the
first stage leftmost. Its error is bounded as in Childs, Su, Tran, Wiebe and Zhu, Theory of Trotter
Error with Commutator Scaling, Phys. Rev. X 11, 011020 (2021): write the formula as L·R, so that its
derivative is L·(…)·R with every generator conjugated towards the place between them; all powers of
t below the order cancel, and the remainder of each conjugation is a nested commutator (Theorem 5).
Integrating over t gives

    ‖S(t) - exp(-itH)‖ ≤ t^(p+1)/(p+1) · Σ_q Π_j |a_j|^{q_j} / q_j! · ‖ad^q(b_q)‖,   Σ_j q_j = p

where b_q is what has been gathered of the generators before the first stage that q names. Every
place between L and R gives a bound and the least counts. For two groups this gives the constants
of the paper: 1/2 (order 1), 1/12 and 1/24 (order 2), and the eight of its appendix M (order 4).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chimera_pipelines.quantum.hamiltonian import PauliSum

ORDERS = (1, 2, 4)
MAX_WORDS = 20_000  # nested commutators that are looked at one by one
MAX_WORK = 1_000_000  # terms that they may have together: some seconds
_SUZUKI = 1.0 / (4.0 - 4.0 ** (1.0 / 3.0))

Stage: TypeAlias = tuple[int, float]
Word: TypeAlias = tuple[int, ...]
Base: TypeAlias = tuple[float, ...]


def stages(groups: int, order: int) -> tuple[Stage, ...]:
    """One step of the formula, neighbours of one group merged; fractions of a group add up to 1.

    Order 1 is exp(H_0)…exp(H_last); order 2 is symmetric with the halves of H_0 outside; order 4 is
    Suzuki's five steps of order 2.
    """
    if groups == 0:
        return ()
    if order == 1:
        return tuple((g, 1.0) for g in range(groups))
    halves = [(g, 0.5) for g in range(groups)]
    second = halves + halves[::-1]
    if order == 2:  # noqa: PLR2004
        return merged(second)
    inner = 1.0 - 4.0 * _SUZUKI
    weights = (_SUZUKI, _SUZUKI, inner, _SUZUKI, _SUZUKI)
    return merged([(g, w * a) for w in weights for g, a in second])


def merged(parts: Sequence[Stage]) -> tuple[Stage, ...]:
    """The same product with neighbours of one group taken together."""
    runs = itertools.groupby(parts, key=lambda part: part[0])
    return tuple((g, math.fsum(a for _, a in run)) for g, run in runs)


def step_constant(groups: Sequence[PauliSum], order: int) -> float:
    """C such that one step of length t errs by at most C·t^(order+1) in spectral norm."""
    if len(groups) < 2:  # noqa: PLR2004 - one group commutes with itself: no error at all
        return 0.0
    formula = stages(len(groups), order)
    norms = _Nested(groups)
    letters = 1 if len(groups) ** order * len(formula) > MAX_WORDS else order
    sums: list[float] = []
    for place in _places(formula, order):
        weights = remainder_weights(formula, place, norms.group_bounds, order, letters=letters)
        sums.append(math.fsum(c * norms.bound(*key) for key, c in weights.items()))
    return min(sums) / (order + 1)


def remainder_weights(
    formula: Sequence[Stage],
    place: int,
    norms: Sequence[float],
    order: int,
    *,
    letters: int | None = None,
) -> Mapping[tuple[Word, Base], float]:
    """What multiplies the norm of each nested commutator in the remainder of order `order`.

    A key is a word, innermost group first, and the combination of groups that it acts on, scaled to
    largest part 1; `formula` is cut before stage `place`.

    Args:
        formula: stages of one step.
        place: where L ends and R begins.
        norms: bounds of the groups' norms, for letters beyond `letters`.
        order: length of the nesting.
        letters: how many letters words keep; each further one is ‖ad_g‖ ≤ 2 ‖H_g‖.
    """
    kept = order if letters is None else letters
    found: dict[tuple[Word, Base], float] = defaultdict(float)
    whole = [1.0] * len(norms)
    for at, (g, a) in enumerate(formula[:place]):  # exp(+)…H…exp(-), from the far end inwards
        whole[g] -= a
        _words(found, formula[at:place], whole, order, kept, norms)
    gathered = [0.0] * len(norms)
    for at in range(len(formula) - 1, place - 1, -1):
        g, a = formula[at]
        gathered[g] += a
        _words(found, formula[place : at + 1][::-1], gathered, order, kept, norms)
    return found


def _words(
    found: dict[tuple[Word, Base], float],
    conjugations: Sequence[Stage],
    gathered: Sequence[float],
    order: int,
    kept: int,
    norms: Sequence[float],
) -> None:
    """Add the words whose first letter is the first conjugation's, which acts on `gathered`."""
    first = conjugations[0][0]
    base = [0.0 if g == first else b for g, b in enumerate(gathered)]
    largest = max(map(abs, base))
    if largest < 1e-14:  # noqa: PLR2004 - rounding of fractions that cancel
        return
    scale = largest if max(base) >= largest else -largest
    key = tuple(round(b / scale, 12) + 0.0 for b in base)
    words: dict[tuple[Word, int], float] = {((), 0): largest}
    for number, (g, a) in enumerate(conjugations):
        longer: dict[tuple[Word, int], float] = defaultdict(float)
        for (word, degree), weight in words.items():
            for k in range(0 if number else 1, order - degree + 1):
                whole = word + (g,) * k
                beyond = (2.0 * norms[g]) ** max(0, len(whole) - max(kept, len(word)))
                place = (whole[:kept], degree + k)
                longer[place] += weight * beyond * abs(a) ** k / math.factorial(k)
        words = longer
    for (word, degree), weight in words.items():
        if degree == order:
            found[word, key] += weight


def _places(formula: Sequence[Stage], order: int) -> Sequence[int]:
    """Where to cut: anywhere for low orders, near the middle for order 4."""
    if order <= 2:  # noqa: PLR2004
        return range(len(formula) + 1)
    middle = len(formula) // 2
    return range(middle, middle + 2)


@dataclass(slots=True)
class _Nested:
    """Bounds of nested commutators' norms; inner ones are shared.

    Sums that grow too long, or too many of them, are bounded by products of norms instead:
    ‖[A, B]‖ ≤ 2 ‖A‖ ‖B‖.
    """

    groups: Sequence[PauliSum]
    sums: dict[tuple[Word, Base], PauliSum | None]
    bounds: dict[tuple[Word, Base], float]
    group_bounds: list[float]
    work: int

    def __init__(self, groups: Sequence[PauliSum]) -> None:
        self.groups = groups
        self.sums, self.bounds = {}, {}
        self.work = 0
        self.group_bounds = [group.norm_bound() for group in groups]

    def bound(self, word: Word, base: Base) -> float:
        """A number that ‖ad_last(… ad_first(Σ base_g H_g))‖ does not exceed."""
        key = (word, base)
        if key not in self.bounds:
            known = self.commutator(word, base)
            if known is not None:
                self.bounds[key] = known.norm_bound()
            else:
                self.bounds[key] = 2.0 * self.group_bounds[word[-1]] * self.bound(word[:-1], base)
        return self.bounds[key]

    def commutator(self, word: Word, base: Base) -> PauliSum | None:
        """The nested commutator up to a factor ±1 or ±i; None where it is too long."""
        key = (word, base)
        if key not in self.sums:
            self.sums[key] = self._made(word, base)
        return self.sums[key]

    def _made(self, word: Word, base: Base) -> PauliSum | None:
        if not word:
            width = self.groups[0].num_qubits
            return PauliSum(width, ()).combined(list(zip(base, self.groups, strict=True)))
        inner = self.commutator(word[:-1], base)
        if inner is None or self.work > MAX_WORK:
            return None
        made = self.groups[word[-1]].commutator(inner)
        self.work += len(inner.terms) + len(made.terms)
        return made
