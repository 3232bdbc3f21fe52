"""Gates in, fused steps out.

A gate joins the latest step of its kind that it can reach: it commutes back over steps that share
no qubit with it, and a diagonal also over diagonals. So a layer written qubit by qubit, or layer
by layer, becomes one pass over the state either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import TypeAlias

from chimera_pipelines.quantum.statevector.steps import (
    PauliRotation,
    Permutation,
    Phases,
    Program,
    Projector,
    Rotations,
    Step,
    Turn,
    Unitary,
    support,
)

Angle: TypeAlias = float | Turn


@dataclass(slots=True)
class _Layer:
    """A step that still grows: `angles` under its key, or `flips` in order."""

    kind: str
    mask: int
    angles: dict[int, Turn]
    flips: list[tuple[int, int]]
    done: Step | None = None

    @property
    def diagonal(self) -> bool:
        return self.kind in {"phases", "projector"}


class Builder:
    """Collects gates on `num_qubits` qubits; angles are numbers or `Turn`s of parameters."""

    def __init__(self, num_qubits: int, num_parameters: int = 0) -> None:
        self.num_qubits = num_qubits
        self.num_parameters = num_parameters
        self._layers: list[_Layer] = []

    def program(self) -> Program:
        """What was collected so far."""
        steps = tuple(_step(layer) for layer in self._layers)
        return Program(self.num_qubits, self.num_parameters, steps)

    def rx(self, qubit: int, angle: Angle) -> None:
        """exp(-i angle X/2)."""
        self._turn("x", qubit, 1 << qubit, angle)

    def ry(self, qubit: int, angle: Angle) -> None:
        """exp(-i angle Y/2)."""
        self._turn("y", qubit, 1 << qubit, angle)

    def rz(self, qubit: int, angle: Angle) -> None:
        """exp(-i angle Z/2)."""
        self.phase(1 << qubit, angle)

    def phase(self, mask: int, angle: Angle) -> None:
        """exp(-i angle Z^mask/2); mask 0 is a global phase."""
        self._turn("phases", mask, mask, angle)

    def global_phase(self, angle: Angle) -> None:
        """exp(i angle) on the whole state."""
        self.phase(0, -2.0 * _turn(angle))

    def p(self, qubit: int, angle: Angle) -> None:
        """diag(1, exp(i angle))."""
        self.rz(qubit, angle)
        self.phase(0, -_turn(angle))

    def cp(self, qubits: Sequence[int], angle: Angle) -> None:
        """exp(i angle) where all `qubits` are 1."""
        if len(qubits) == 1:
            self.p(qubits[0], angle)
        elif len(qubits) == 2:  # noqa: PLR2004 - as Z strings it fuses with its neighbours
            a, b = (1 << qubit for qubit in qubits)
            half = 0.5 * _turn(angle)
            for mask, turn in ((0, -half), (a, half), (b, half), (a | b, -half)):
                self.phase(mask, turn)
        else:
            mask = sum(1 << qubit for qubit in qubits)
            self._add(_done("projector", Projector(mask, (_turn(angle),))))

    def rotation(self, x: int, z: int, angle: Angle) -> None:
        """exp(-i angle P/2) of the Pauli string with masks x and z."""
        if x == 0:
            self.phase(z, angle)
        elif x.bit_count() == 1 and z in {0, x}:
            (self.ry if z else self.rx)(x.bit_length() - 1, angle)
        else:
            self._add(_done("pauli", PauliRotation(x, z, (_turn(angle),))))

    def x(self, target: int, controls: Sequence[int] = ()) -> None:
        """Flip of a qubit where all controls are 1."""
        mask = sum(1 << control for control in controls)
        layer = self._reach("permutation", mask | 1 << target)
        layer.flips.append((mask, target))

    def h(self, qubit: int) -> None:
        """Hadamard, as Z and then RY(pi/2): both fuse with their neighbours."""
        self.p(qubit, pi)
        self.ry(qubit, pi / 2)

    def unitary(self, qubits: Sequence[int], entries: Sequence[complex]) -> None:
        """A dense matrix, row by row, qubits[0] being the lowest bit of its indices."""
        self._add(_done("unitary", Unitary(tuple(qubits), tuple(entries))))

    def _turn(self, kind: str, key: int, mask: int, angle: Angle) -> None:
        layer = self._reach(kind, mask)
        layer.angles[key] = layer.angles.get(key, Turn()) + _turn(angle)

    def _reach(self, kind: str, mask: int) -> _Layer:
        """The latest layer of the kind that a gate on `mask` commutes back to, or a new one."""
        for layer in reversed(self._layers):
            if layer.kind == kind and layer.done is None:
                layer.mask |= mask
                return layer
            if layer.mask & mask and not (kind == "phases" and layer.diagonal):
                break
        layer = _Layer(kind, mask, {}, [])
        self._layers.append(layer)
        return layer

    def _add(self, layer: _Layer) -> None:
        self._layers.append(layer)


def _turn(angle: Angle) -> Turn:
    return angle if isinstance(angle, Turn) else Turn(float(angle))


def _done(kind: str, step: Step) -> _Layer:
    return _Layer(kind, support(step), {}, [], step)


def _step(layer: _Layer) -> Step:
    if layer.done is not None:
        return layer.done
    if layer.kind == "permutation":
        return Permutation(tuple(layer.flips))
    keys = tuple(sorted(layer.angles))
    turns = tuple(layer.angles[key] for key in keys)
    if layer.kind == "phases":
        return Phases(keys, turns)
    return Rotations("x" if layer.kind == "x" else "y", keys, turns)
