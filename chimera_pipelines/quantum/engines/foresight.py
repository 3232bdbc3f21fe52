"""What the planner can say before a circuit is built (`chimera plan --explain`).

Planning runs no block, so of a circuit no more is known than the width that its text tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chimera_pipelines.quantum.engines.choice import (
    AUTOMATIC_STATE_QUBITS,
    MAX_STATE_QUBITS,
    readable,
)
from chimera_pipelines.quantum.engines.protocol import AMPLITUDE_BYTES
from chimera_pipelines.quantum.planner import (
    CLIFFORD_QUBITS,
    MAX_BOND,
    MAX_CONE_QUBITS,
    QSIM_QUBITS,
    Tools,
)


def foresee(
    backend: Mapping[str, Any], qubits: int | None, tools: Tools, *, wider: bool = False
) -> str:
    """Which engine is to be expected, and on what it depends.

    Args:
        backend: the kernel's option, {} where it has none.
        qubits: width of its circuits; None where the text does not tell.
        tools: what is installed.
        wider: the circuits have more qubits than that, the plan does not tell how many.
    """
    method = str(backend.get("method", "automatic"))
    if backend.get("noise") is not None:
        method = "density_matrix"
    if method in {"matrix_product_state", "stabilizer"}:
        return f"aer {method}, asked for"
    if method == "tensor_network":
        where = "quimb" if tools.tensor else "nothing here: install the extra 'tensor'"
        return f"light cones contracted by {where}"
    if qubits is None:
        return f"{method}: chosen when the circuit's width is known"
    return _of_width(method, str(backend.get("precision", "double")), qubits, tools, wider=wider)


def _of_width(method: str, precision: str, qubits: int, tools: Tools, *, wider: bool) -> str:
    amplitude = AMPLITUDE_BYTES[precision]
    over = "over " if wider else ""
    if method == "density_matrix":
        size = readable(amplitude << 2 * qubits)
        return f"aer density_matrix, {over}{qubits} qubits squared: {over}{size}"
    size = readable(amplitude << qubits)
    limit = MAX_STATE_QUBITS if method == "statevector" else AUTOMATIC_STATE_QUBITS
    if qubits <= limit:
        engine = "qsim" if precision == "single" and qubits >= QSIM_QUBITS and tools.qsim else "aer"
        found = f"{engine} statevector, {qubits} qubits: {size}"
        if method == "automatic" and qubits >= CLIFFORD_QUBITS:
            found += "; stabilizer if all gates are Clifford gates"
        return found
    if method == "statevector":
        return f"refused: a state vector of {over}{qubits} qubits is {over}{size}"
    beyond = "wider ones contracted" if tools.tensor else "wider ones need the extra 'tensor'"
    return (
        f"no state vector, {over}{qubits} qubits are {over}{size}: stabilizer if Clifford, "
        f"exact observables by light cones to {MAX_CONE_QUBITS} qubits ({beyond}), "
        f"matrix product state if bonds are at most {1 << MAX_BOND}, else refused"
    )
