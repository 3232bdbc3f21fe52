"""Qubit-wise commuting groups of Pauli strings: as few measured bases as two quick rules find.

First fit in the order written is the rule of old, and keeps the results of a seed where it is not
beaten. Largest first colours the graph of conflicts: terms that conflict with most others choose
their group first, the independent-set order that the literature measures 10 to 30 % fewer bases
with (Verteletskyi, Yen, Izmaylov, arXiv:1907.03358).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_COLOURED = 4096  # terms; their conflicts are counted in pairs
_WORD = 64


def groups(strings: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Places of strings that share a basis; groups and members in order of first appearance.

    Two strings conflict where both have a letter other than I on a qubit, and not the same one.

    Args:
        strings: of one length, letters IXYZ.
    """
    masks = [_masks(string) for string in strings]
    found = _first_fit(masks, range(len(masks)))
    if len(found) > 2 and len(strings) <= MAX_COLOURED:  # noqa: PLR2004
        conflicts = _conflicts(strings)
        coloured = _first_fit(masks, (-conflicts).argsort(kind="stable").tolist())
        if len(coloured) < len(found):
            found = coloured
    return tuple(sorted(tuple(sorted(group)) for group in found))


def _first_fit(masks: Sequence[tuple[int, int]], order: Iterable[int]) -> list[list[int]]:
    """Each string into the first group that it agrees with; a group is an x and a z mask."""
    known: list[tuple[int, int]] = []
    members: list[list[int]] = []
    for at in order:
        x, z = masks[at]
        for place, (gx, gz) in enumerate(known):
            if not ((x ^ gx) | (z ^ gz)) & (x | z) & (gx | gz):
                known[place] = (gx | x, gz | z)
                members[place].append(at)
                break
        else:
            known.append((x, z))
            members.append([at])
    return members


def _masks(string: str) -> tuple[int, int]:
    x = int("0" + string.translate(_X), 2)
    return x, int("0" + string.translate(_Z), 2)


_X = str.maketrans("IXYZ", "0110")
_Z = str.maketrans("IXYZ", "0011")


def _conflicts(strings: Sequence[str]) -> NDArray[np.int64]:
    """With how many others each string conflicts."""
    import numpy as np

    x, z = (
        np.array([_words(s.translate(table)) for s in strings], dtype=np.uint64)
        for table in (_X, _Z)
    )
    letters = x | z
    return np.array(
        [
            int(np.any(((x ^ x[at]) | (z ^ z[at])) & letters & letters[at], axis=1).sum())
            for at in range(len(strings))
        ]
    )


def _words(bits: str) -> list[int]:
    return [int(bits[i : i + _WORD], 2) for i in range(0, len(bits), _WORD)]
