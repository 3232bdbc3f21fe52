"""exp(-i angle P) of a Pauli string P as operations of a record."""

from __future__ import annotations

import math
from itertools import pairwise

from chimera_pipelines.quantum.observables import Term
from chimera_pipelines.quantum.operations import Operation

_QUARTER = math.pi / 2


def rotation(term: Term, angle: float) -> tuple[Operation, ...]:
    """exp(-i angle P), P being the term's string without its coefficient.

    One operation on one qubit, or on two of the same letter; else a parity of rotated qubits. The
    identity gives none: its global phase is the caller's.
    """
    letters = _letters(term)
    qubits = tuple(letters)
    turn = 2.0 * angle
    if not letters:
        return ()
    if len(qubits) <= 2 and len(set(letters.values())) == 1:  # noqa: PLR2004
        letter = letters[qubits[0]].lower()
        return (Operation("r" + letter * len(qubits), qubits, params=(turn,)),)
    front = tuple(_to_z(letter, q, 1.0) for q, letter in letters.items() if letter != "Z")
    back = tuple(_to_z(letter, q, -1.0) for q, letter in letters.items() if letter != "Z")
    if len(qubits) == 2:  # noqa: PLR2004
        return (*front, Operation("rzz", qubits, params=(turn,)), *back)
    ladder = tuple(Operation("cx", pair) for pair in pairwise(qubits))
    middle = Operation("rz", (qubits[-1],), params=(turn,))
    return (*front, *ladder, middle, *ladder[::-1], *back)


def _to_z(letter: str, qubit: int, sign: float) -> Operation:
    """What turns X or Y of a qubit into Z, or with sign -1 back."""
    if letter == "X":
        return Operation("h", (qubit,))
    return Operation("rx", (qubit,), params=(sign * _QUARTER,))


def _letters(term: Term) -> dict[int, str]:
    """Letter of each qubit that the term acts on, lowest first."""
    width = (term.x | term.z).bit_length()
    codes = {q: (term.x >> q & 1) + 2 * (term.z >> q & 1) for q in range(width)}
    return {q: "IXZY"[code] for q, code in codes.items() if code}
