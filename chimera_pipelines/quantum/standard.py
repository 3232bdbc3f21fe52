"""Qiskit's classes for the names of `gates.GATES`. Imported where Qiskit is, never at planning."""

from __future__ import annotations

from functools import lru_cache

from qiskit.circuit import Gate
from qiskit.circuit.library import (
    C3SXGate,
    C3XGate,
    C4XGate,
    MCPhaseGate,
    MCXGate,
    RC3XGate,
)
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

from chimera_pipelines.quantum.gates import GATES


@lru_cache(maxsize=1)
def classes() -> dict[str, type[Gate]]:
    """Record name → class, for gates of fixed width."""
    mapping = get_standard_gate_name_mapping()
    named = {name: gate.base_class for name, gate in mapping.items() if name in GATES}
    named |= {"rcccx": RC3XGate, "c3sx": C3SXGate}
    return named


@lru_cache(maxsize=1)
def names() -> dict[type, str]:
    """Class → record name; classes of variable width included."""
    known = {cls: name for name, cls in classes().items()}
    known |= dict.fromkeys((MCXGate, C3XGate, C4XGate), "mcx")
    return known | {MCPhaseGate: "mcphase"}


def build(name: str, num_qubits: int, params: list[object]) -> Gate:
    """The Qiskit gate of a record name; `params` are floats or Qiskit parameters."""
    if name == "mcx":
        return MCXGate(num_qubits - 1)
    if name == "mcphase":
        return MCPhaseGate(params[0], num_qubits - 1)
    return classes()[name](*params)
