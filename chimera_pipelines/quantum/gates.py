"""The gates a circuit record may hold: qubits and angles of each, and which are Clifford.

Names are Qiskit's, so that a record reads like the circuit it came from. The table is plain data:
validation happens outside the sandbox, where Qiskit need not be imported.
"""

from __future__ import annotations

from dataclasses import dataclass

UNITARY = "unitary"
STATE_PREPARATION = "state_preparation"
STATE_PREPARATION_DG = "state_preparation_dg"
IF = "if"
MEASURE = "measure"
RESET = "reset"
BARRIER = "barrier"


@dataclass(frozen=True, slots=True)
class GateKind:
    """What a gate takes. `qubits` None: any number of controls before one target."""

    qubits: int | None
    angles: int = 0
    clifford: bool = False


def _table() -> dict[str, GateKind]:
    clifford_one = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg")
    clifford_two = ("cx", "cy", "cz", "swap", "iswap", "dcx", "ecr")
    rotations_two = ("cp", "cu1", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx")
    kinds = dict.fromkeys(clifford_one, GateKind(1, clifford=True))
    kinds |= dict.fromkeys(("t", "tdg"), GateKind(1))
    kinds |= dict.fromkeys(("rx", "ry", "rz", "p", "u1"), GateKind(1, 1))
    kinds |= dict.fromkeys(("r", "u2"), GateKind(1, 2))
    kinds |= dict.fromkeys(("u", "u3"), GateKind(1, 3))
    kinds |= dict.fromkeys(clifford_two, GateKind(2, clifford=True))
    kinds |= dict.fromkeys(("ch", "cs", "csdg", "csx"), GateKind(2))
    kinds |= dict.fromkeys(rotations_two, GateKind(2, 1))
    kinds |= dict.fromkeys(("xx_minus_yy", "xx_plus_yy"), GateKind(2, 2))
    kinds |= {"cu3": GateKind(2, 3), "cu": GateKind(2, 4)}
    kinds |= dict.fromkeys(("ccx", "ccz", "cswap", "rccx"), GateKind(3))
    kinds |= dict.fromkeys(("rcccx", "c3sx"), GateKind(4))
    return kinds | {"mcx": GateKind(None), "mcphase": GateKind(None, 1)}


GATES: dict[str, GateKind] = _table()
