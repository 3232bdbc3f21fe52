"""The circuits that learning turns: layered ansatz, QAOA, feature maps, as torch programs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chimera_pipelines.quantum.observables import Term
from chimera_pipelines.quantum.statevector.builder import Builder
from chimera_pipelines.quantum.statevector.steps import Program, parameter

FEATURE_MAPS = ("angle", "iqp")


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


def feature_map(kind: str, num_features: int, repeats: int) -> Program:
    """One qubit a feature.

    "angle": RY(x_q), then a chain of CX, `repeats` times. "iqp": H, exp(-i/2 (sum x_q Z_q +
    sum x_q x_{q+1} Z_q Z_{q+1})), `repeats` times; products come as further parameters (`lifted`).
    """
    n = num_features
    builder = Builder(n, 2 * n - 1)
    for _ in range(repeats):
        for qubit in range(n):
            if kind == "iqp":
                builder.h(qubit)
                builder.rz(qubit, parameter(qubit))
            else:
                builder.ry(qubit, parameter(qubit))
        for qubit in range(n - 1):
            if kind == "iqp":
                builder.phase(3 << qubit, parameter(n + qubit))
            else:
                builder.x(qubit + 1, [qubit])
    return builder.program()


def lifted(features: Tensor) -> Tensor:
    """Features (b, n) followed by the products of neighbours: the parameters of a feature map."""
    return torch.cat((features, features[:, :-1] * features[:, 1:]), 1)
