"""A circuit record as a parametrised program: each angle of the record is one parameter.

Every gate is written as rotations, phases, flips and dense matrices that fuse; global phases are
kept, since they matter under a control. Whatever a program cannot hold is refused (MAML319).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

from chimera_pipelines.quantum.gates import BARRIER, UNITARY
from chimera_pipelines.quantum.operations import Operation, RecordError
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.statevector.builder import Builder
from chimera_pipelines.quantum.statevector.steps import Program, Turn, parameter

_HALF = pi / 2


def program_of(record: CircuitRecord) -> Program:
    """The program of a unitary record; its parameters are the record's angles in walking order.

    Raises:
        RecordError: MAML319 for measurements, resets, branches, state preparations and gates that
            are not of the table.
    """
    count = sum(len(step.params) for step in record.operations)
    builder = Builder(record.num_qubits, count)
    builder.global_phase(record.global_phase)
    first = 0
    for step in record.operations:
        turns = [parameter(first + i) for i in range(len(step.params))]
        first += len(turns)
        _append(builder, step, turns)
    return builder.program()


def angles_of(record: CircuitRecord) -> list[float]:
    """Values for the parameters of `program_of(record)`."""
    return [angle for step in record.operations for angle in step.params]


def takes(record: CircuitRecord) -> bool:
    """Whether `program_of` can write every operation of a record."""
    return all(s.name in _WRITERS or s.name in {BARRIER, UNITARY} for s in record.operations)


def _append(builder: Builder, step: Operation, turns: Sequence[Turn]) -> None:
    if step.name == BARRIER:
        return
    if step.name == UNITARY:
        builder.unitary(step.qubits, step.entries)
        return
    write = _WRITERS.get(step.name)
    if write is None:
        raise RecordError(
            "MAML319",
            f"the torch state vector cannot run '{step.name}'",
            hint="use backend method statevector on Aer",
        )
    write(builder, step.qubits, turns)


_Qubits = Sequence[int]
_Turns = Sequence[Turn]
_Writer = Callable[[Builder, _Qubits, _Turns], None]


def _u(b: Builder, qubit: int, theta: Turn, phi: Turn, lam: Turn) -> None:
    b.global_phase(0.5 * (phi + lam))
    b.rz(qubit, lam)
    b.ry(qubit, theta)
    b.rz(qubit, phi)


def _r(b: Builder, q: _Qubits, t: _Turns) -> None:
    b.rz(q[0], -t[1])
    b.rx(q[0], t[0])
    b.rz(q[0], t[1])


def _sx(b: Builder, qubit: int, sign: float) -> None:
    b.global_phase(sign * pi / 4)
    b.rx(qubit, sign * _HALF)


def _y(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001 - one shape for all writers
    b.p(q[0], pi)
    b.x(q[0])
    b.global_phase(_HALF)


def _cy(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    b.p(q[1], -_HALF)
    b.x(q[1], [q[0]])
    b.p(q[1], _HALF)


def _ch(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    b.ry(q[1], -pi / 4)
    b.cp(q, pi)
    b.ry(q[1], pi / 4)


def _root(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    """The controlled square root of X, with any number of controls."""
    b.h(q[-1])
    b.cp(q, _HALF)
    b.h(q[-1])


def _pairs(b: Builder, q: _Qubits, strings: str, turns: _Turns) -> None:
    """exp(-i a P/2) for strings such as "xx yy"; the first letter is that of q[0]."""
    for letters, turn in zip(strings.split(), turns, strict=True):
        x = sum(1 << qubit for qubit, letter in zip(q, letters, strict=True) if letter in "xy")
        z = sum(1 << qubit for qubit, letter in zip(q, letters, strict=True) if letter in "zy")
        b.rotation(x, z, turn)


def _controlled(axis: str) -> _Writer:
    """exp(-i a P/2) under a control: half of it, and half of it with the control's sign undone."""

    def write(b: Builder, q: _Qubits, t: _Turns) -> None:
        _pairs(b, q, f"i{axis} z{axis}", (0.5 * t[0], -0.5 * t[0]))

    return write


def _swap(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    b.x(q[1], [q[0]])
    b.x(q[0], [q[1]])
    b.x(q[1], [q[0]])


def _cswap(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    b.x(q[1], [q[2]])
    b.x(q[2], [q[0], q[1]])
    b.x(q[1], [q[2]])


def _iswap(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    _pairs(b, q, "xx yy", (Turn(-_HALF), Turn(-_HALF)))


def _dcx(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    b.x(q[1], [q[0]])
    b.x(q[0], [q[1]])


def _ecr(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    _pairs(b, q, "zx", (Turn(pi / 4),))
    b.x(q[0])
    _pairs(b, q, "zx", (Turn(-pi / 4),))


def _xx_minus_yy(b: Builder, q: _Qubits, t: _Turns) -> None:
    b.rz(q[1], -t[1])
    _pairs(b, q, "xx yy", (0.5 * t[0], -0.5 * t[0]))
    b.rz(q[1], t[1])


def _xx_plus_yy(b: Builder, q: _Qubits, t: _Turns) -> None:
    b.rz(q[0], t[1])
    _pairs(b, q, "xx yy", (0.5 * t[0], 0.5 * t[0]))
    b.rz(q[0], -t[1])


def _cu(b: Builder, q: _Qubits, t: _Turns) -> None:
    """The controlled exp(i gamma) U(theta, phi, lambda); gamma is 0 for a cu3."""
    theta, phi, lam = t[:3]
    if len(t) > 3:  # noqa: PLR2004
        b.p(q[0], t[3])
    b.p(q[0], 0.5 * (lam + phi))
    b.p(q[1], 0.5 * (lam - phi))
    b.x(q[1], [q[0]])
    _u(b, q[1], -0.5 * theta, Turn(), -0.5 * (phi + lam))
    b.x(q[1], [q[0]])
    _u(b, q[1], 0.5 * theta, phi, Turn())


def _relative(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    """Margolus's gate: a Toffoli but for phases (Maslov, arXiv:1508.03273)."""
    b.h(q[2])
    for control, turn in ((1, pi / 4), (0, -pi / 4), (1, pi / 4)):
        b.p(q[2], turn)
        b.x(q[2], [q[control]])
    b.p(q[2], -pi / 4)
    b.h(q[2])


def _relative_three(b: Builder, q: _Qubits, t: _Turns) -> None:  # noqa: ARG001
    """Three controls but for phases (Maslov, arXiv:1508.03273, figure 4)."""
    b.h(q[3])
    b.p(q[3], pi / 4)
    b.x(q[3], [q[2]])
    b.p(q[3], -pi / 4)
    b.h(q[3])
    for control, turn in ((0, pi / 4), (1, -pi / 4), (0, pi / 4), (1, -pi / 4)):
        b.x(q[3], [q[control]])
        b.p(q[3], turn)
    b.h(q[3])
    b.p(q[3], pi / 4)
    b.x(q[3], [q[2]])
    b.p(q[3], -pi / 4)
    b.h(q[3])


def _fixed(angle: float) -> _Writer:
    return lambda b, q, t: b.cp(q, angle)  # noqa: ARG005


_WRITERS: dict[str, _Writer] = {
    "id": lambda b, q, t: None,  # noqa: ARG005
    "x": lambda b, q, t: b.x(q[0]),  # noqa: ARG005
    "y": _y,
    "h": lambda b, q, t: b.h(q[0]),  # noqa: ARG005
    "sx": lambda b, q, t: _sx(b, q[0], 1.0),  # noqa: ARG005
    "sxdg": lambda b, q, t: _sx(b, q[0], -1.0),  # noqa: ARG005
    "rx": lambda b, q, t: b.rx(q[0], t[0]),
    "ry": lambda b, q, t: b.ry(q[0], t[0]),
    "rz": lambda b, q, t: b.rz(q[0], t[0]),
    "r": _r,
    "u2": lambda b, q, t: _u(b, q[0], Turn(_HALF), t[0], t[1]),
    "cy": _cy,
    "ch": _ch,
    "swap": _swap,
    "iswap": _iswap,
    "dcx": _dcx,
    "ecr": _ecr,
    "rxx": lambda b, q, t: _pairs(b, q, "xx", t),
    "ryy": lambda b, q, t: _pairs(b, q, "yy", t),
    "rzz": lambda b, q, t: _pairs(b, q, "zz", t),
    "rzx": lambda b, q, t: _pairs(b, q, "zx", t),
    "xx_minus_yy": _xx_minus_yy,
    "xx_plus_yy": _xx_plus_yy,
    "cswap": _cswap,
    "rccx": _relative,
    "rcccx": _relative_three,
}
_WRITERS |= {name: _fixed(pi) for name in ("z", "cz", "ccz")}
_WRITERS |= {"s": _fixed(_HALF), "cs": _fixed(_HALF), "t": _fixed(pi / 4)}
_WRITERS |= {"sdg": _fixed(-_HALF), "csdg": _fixed(-_HALF), "tdg": _fixed(-pi / 4)}
_WRITERS |= {f"cr{axis}": _controlled(axis) for axis in "xyz"}
_WRITERS |= dict.fromkeys(("csx", "c3sx"), _root)
_WRITERS |= dict.fromkeys(("u", "u3"), lambda b, q, t: _u(b, q[0], *t))
_WRITERS |= dict.fromkeys(("cu", "cu3"), _cu)
_WRITERS |= dict.fromkeys(("p", "u1", "cp", "cu1", "mcphase"), lambda b, q, t: b.cp(q, t[0]))
_WRITERS |= dict.fromkeys(("cx", "ccx", "mcx"), lambda b, q, t: b.x(q[-1], q[:-1]))  # noqa: ARG005
