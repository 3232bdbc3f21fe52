"""The adjoint of a sequence of gates: the same gates backwards, each undone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.gates import (
    BARRIER,
    STATE_PREPARATION,
    STATE_PREPARATION_DG,
    UNITARY,
)
from chimera_pipelines.quantum.operations import Operation

_OWN = frozenset(
    {"id", "x", "y", "z", "h", "cx", "cy", "cz", "swap", "ecr", "ch", "ccx", "ccz", "cswap"}
    | {"rccx", "mcx", BARRIER}
)
_PAIRS = {"s": "sdg", "t": "tdg", "sx": "sxdg", "cs": "csdg"}
_PAIRS |= {STATE_PREPARATION: STATE_PREPARATION_DG}
_OTHER = _PAIRS | {there: here for here, there in _PAIRS.items()}
_NEGATED = frozenset(
    {"rx", "ry", "rz", "p", "u1", "cp", "cu1", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx"}
    | {"mcphase"}
)
_CUBED = frozenset({"iswap", "csx", "c3sx"})  # of order four: three more undo one
_ANGLES: Mapping[str, Callable[..., tuple[float, ...]]] = {
    "r": lambda theta, phi: (-theta, phi),
    "u2": lambda phi, lam: (-lam - math.pi, -phi + math.pi),
    "u": lambda theta, phi, lam: (-theta, -lam, -phi),
    "u3": lambda theta, phi, lam: (-theta, -lam, -phi),
    "cu3": lambda theta, phi, lam: (-theta, -lam, -phi),
    "cu": lambda theta, phi, lam, gamma: (-theta, -lam, -phi, -gamma),
    "xx_minus_yy": lambda theta, beta: (-theta, beta),
    "xx_plus_yy": lambda theta, beta: (-theta, beta),
}


def adjoint(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations that undo those given.

    Raises:
        KernelError: MAML319 for what cannot be undone: a measurement, a reset, a branch.
    """
    return tuple(undone for step in reversed(operations) for undone in _undone(step))


def _undone(step: Operation) -> tuple[Operation, ...]:
    if step.name in _CUBED:
        return (step,) * 3
    if step.name in _OWN:
        undone = step
    elif step.name in _OTHER:
        undone = replace(step, name=_OTHER[step.name])
    elif step.name in _NEGATED:
        undone = replace(step, params=tuple(-angle for angle in step.params))
    elif step.name in _ANGLES:
        undone = replace(step, params=_ANGLES[step.name](*step.params))
    elif step.name == "dcx":
        undone = replace(step, qubits=step.qubits[::-1])
    elif step.name == UNITARY:
        undone = replace(step, entries=_dagger(step.entries))
    else:
        raise KernelError("MAML319", f"'{step.name}' has no adjoint here", phase=Phase.EMBED)
    return (undone,)


def _dagger(entries: Sequence[complex]) -> tuple[complex, ...]:
    side = math.isqrt(len(entries))
    return tuple(
        entries[column * side + row].conjugate() for row in range(side) for column in range(side)
    )
