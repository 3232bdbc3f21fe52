"""Formulas of `evolution` as few, large steps: alternating phases and real layers.

Strategy: all commuting products of Z of a group are one phase, rotations and changes of basis are
layers of one-qubit gates, and neighbours are taken together. Each one-qubit gate is then split into
Rz·Ry·Rz; the Rz go into the phases beside the layer, and what is left is real, so that a Kronecker
product of gates acts on real and imaginary parts at half the cost of a complex one.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chimera_pipelines.quantum.evolution import Formula
from chimera_pipelines.quantum.hamiltonian import Group

Matrix: TypeAlias = "npt.NDArray[np.complex128]"
Phases: TypeAlias = "tuple[tuple[int, float], ...]"
Turns: TypeAlias = "tuple[tuple[int, float], ...]"

_H: Matrix = np.array([[1, 1], [1, -1]], dtype=np.complex128) / math.sqrt(2)
_Y_TO_Z: Matrix = np.array([[1, -1j], [-1j, 1]], dtype=np.complex128) / math.sqrt(2)
_PAULI: Mapping[tuple[bool, bool], Matrix] = {
    (True, False): np.array([[0, 1], [1, 0]], dtype=np.complex128),
    (True, True): np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    (False, True): np.array([[1, 0], [0, -1]], dtype=np.complex128),
}
_NOTHING = 1e-15


@dataclass(frozen=True, slots=True)
class Fused:
    """Phases and layers in turn, the first phase acting first; one more phase than layers.

    Attributes:
        phases: exp(-i Σ c Z_mask) as pairs of mask and c.
        layers: Ry as pairs of qubit and angle.
        phase: global phase in radians.
    """

    num_qubits: int
    phases: tuple[Phases, ...]
    layers: tuple[Turns, ...]
    phase: float


def fuse(formula: Formula) -> Fused:
    """The formula with its neighbours taken together and its layers made real."""
    steps = _Steps()
    for group, angle in formula.parts:
        turned = group.from_x | group.from_y
        if group.local and turned:
            steps.layer(_turns(group, angle))
            continue
        front = dict.fromkeys(_bits(group.from_x), _H)
        front |= dict.fromkeys(_bits(group.from_y), _Y_TO_Z)
        steps.layer(front)
        steps.diagonal({mask: angle * c for c, mask in group.diagonal()})
        steps.layer({q: m.conj().T for q, m in front.items()})
    steps.close()
    phases = tuple(tuple(sorted(phase.items())) for phase in (*steps.phases, steps.current))
    return Fused(formula.num_qubits, phases, tuple(steps.layers), formula.phase + steps.phase)


@dataclass(slots=True)
class _Steps:
    """What has been fused: finished phases and layers, the phase and the layer that still grow."""

    phases: list[dict[int, float]] = field(default_factory=list)
    layers: list[Turns] = field(default_factory=list)
    current: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, Matrix] = field(default_factory=dict)
    phase: float = 0.0

    def layer(self, gates: Mapping[int, Matrix]) -> None:
        """One-qubit gates, after those that wait."""
        for qubit, gate in gates.items():
            before = self.waiting.get(qubit)
            self.waiting[qubit] = gate if before is None else gate @ before

    def diagonal(self, coefficients: Mapping[int, float]) -> None:
        """A phase; gates that wait act before it."""
        self.close()
        _add(self.current, coefficients)

    def close(self) -> None:
        """Split the gates that wait: Rz before into the phase there, Ry a layer, Rz behind."""
        turns: list[tuple[int, float]] = []
        behind: dict[int, float] = {}
        for qubit, gate in sorted(self.waiting.items()):
            alpha, last, turn, first = zyz(gate)
            self.phase += alpha
            _add(self.current, {1 << qubit: first / 2.0})
            behind[1 << qubit] = last / 2.0
            if abs(turn) > _NOTHING:
                turns.append((qubit, turn))
        self.waiting = {}
        if turns:
            self.phases.append(self.current)
            self.layers.append(tuple(turns))
            self.current = {}
        _add(self.current, behind)


def zyz(gate: Matrix) -> tuple[float, float, float, float]:
    """(α, β, γ, δ) with gate = exp(iα)·Rz(β)·Ry(γ)·Rz(δ)."""
    alpha = cmath.phase(complex(gate[0, 0] * gate[1, 1] - gate[0, 1] * gate[1, 0])) / 2.0
    turned = gate * cmath.exp(-1j * alpha)
    low, high = complex(turned[1, 0]), complex(turned[1, 1])
    total = 2.0 * cmath.phase(high) if abs(high) > _NOTHING else 0.0
    difference = 2.0 * cmath.phase(low) if abs(low) > _NOTHING else 0.0
    turn = 2.0 * math.atan2(abs(low), abs(high))
    return alpha, (total + difference) / 2.0, turn, (total - difference) / 2.0


def _turns(group: Group, angle: float) -> dict[int, Matrix]:
    """exp(-i angle c P) of each one-qubit term."""
    made: dict[int, Matrix] = {}
    for term in group.hamiltonian.terms:
        turn = angle * term.coefficient
        pauli = _PAULI[bool(term.x), bool(term.z)]
        gate = math.cos(turn) * np.eye(2) - 1j * math.sin(turn) * pauli
        made[(term.x | term.z).bit_length() - 1] = gate
    return made


def _add(total: dict[int, float], more: Mapping[int, float]) -> None:
    for mask, value in more.items():
        total[mask] = total.get(mask, 0.0) + value


def _bits(mask: int) -> Iterator[int]:
    return (q for q in range(mask.bit_length()) if mask >> q & 1)
