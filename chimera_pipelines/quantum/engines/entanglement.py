"""How much entanglement a circuit can make across each cut of the line of its qubits.

The bond dimension of a matrix product state at a cut is at most the product of the operator Schmidt
ranks of the gates that cross it, and at most 2 to the qubits on the smaller side. It is a bound of
the circuit's structure: a Trotter circuit of small angles stays far below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.gates import BARRIER, IF, MEASURE, RESET
from chimera_pipelines.quantum.operations import walk

# Operator Schmidt rank 2 whichever qubits are on either side: a controlled gate, exp(-i t P x Q).
_CONTROLLED = ("cx", "cy", "cz", "ch", "cp", "cu1", "crx", "cry", "crz", "cs", "csdg", "csx")
_PRODUCTS = ("cu", "cu3", "rxx", "ryy", "rzz", "rzx", "ecr", "ccx", "ccz", "mcx", "mcphase", "c3sx")
RANK_TWO = frozenset((*_CONTROLLED, *_PRODUCTS))
_LOCAL = frozenset({BARRIER, IF, MEASURE, RESET})


def bond_exponents(form: Form) -> tuple[int, ...]:
    """log2 of the bond-dimension bound at each cut between qubits k and k+1; shape (n−1,)."""
    qubits = form.body.num_qubits
    found = [0] * max(0, qubits - 1)
    for factor in form.factors:
        _cross(found, factor.qubits, rank_two=False, state=True)
    for step in walk(form.body.operations):
        if len(step.qubits) > 1 and step.name not in _LOCAL:
            _cross(found, step.qubits, rank_two=step.name in RANK_TWO)
    return tuple(min(bits, k + 1, qubits - 1 - k) for k, bits in enumerate(found))


def bond_exponent(form: Form) -> int:
    """log2 of the largest bond-dimension bound, 0 for a product state."""
    return max(bond_exponents(form), default=0)


def chain_bytes(exponents: Sequence[int], amplitude: int) -> int:
    """Bytes of a matrix product state with these bonds: one pair of matrices a qubit."""
    bonds = (0, *exponents, 0)
    return sum(2 * amplitude << (left + right) for left, right in pairwise(bonds))


def _cross(
    found: list[int], qubits: tuple[int, ...], *, rank_two: bool, state: bool = False
) -> None:
    """Add what one gate (or starting state) can multiply the bonds by."""
    ordered = sorted(qubits)
    for left, (low, high) in enumerate(pairwise(ordered), start=1):
        smaller = min(left, len(ordered) - left)
        bits = 1 if rank_two else smaller if state else 2 * smaller
        for cut in range(low, high):
            found[cut] += bits
