"""The circuits that learning turns: layered ansatz and QAOA, as torch programs."""

from __future__ import annotations

from collections.abc import Sequence

from chimera_pipelines.quantum.observables import Term
from chimera_pipelines.quantum.statevector.builder import Builder
from chimera_pipelines.quantum.statevector.steps import Program, parameter


def layered(num_qubits: int, layers: int) -> Program:
    """Layers of RY, RZ and a chain of CX, closed by RY and RZ; 2n(layers + 1) parameters.

    Parameter 2n·l + q is the RY of qubit q in layer l, 2n·l + n + q its RZ.
    """
    n = num_qubits
    builder = Builder(n, 2 * n * (layers + 1))
    for layer in range(layers + 1):
        first = 2 * n * layer
        for qubit in range(n):
            builder.ry(qubit, parameter(first + qubit))
        for qubit in range(n):
            builder.rz(qubit, parameter(first + n + qubit))
        if layer < layers:
            for qubit in range(n - 1):
                builder.x(qubit + 1, [qubit])
    return builder.program()


def qaoa(num_qubits: int, cost: Sequence[Term], layers: int) -> Program:
    """From |+…+>: exp(-i g_l C), then exp(-i b_l sum X), for each layer.

    Args:
        num_qubits: width.
        cost: terms of C, which has Z alone.
        layers: p; parameters are g_1 … g_p, then b_1 … b_p.
    """
    builder = Builder(num_qubits, 2 * layers)
    for qubit in range(num_qubits):
        builder.h(qubit)
    for layer in range(layers):
        for term in cost:
            if term.z:
                builder.phase(term.z, parameter(layer, 2.0 * term.coefficient))
        for qubit in range(num_qubits):
            builder.rx(qubit, parameter(layers + layer, 2.0))
    return builder.program()
