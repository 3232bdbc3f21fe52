"""The simulator of quantum heads: whether it is here, and opening it."""

from __future__ import annotations

import importlib.util
from typing import Literal

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.quantum.engines.protocol import Engine
from chimera_pipelines.quantum.loading import load_qiskit


def open_engine(device: Literal["cpu", "gpu"]) -> Engine:
    """Aer on a device, and beside it qsim and light cones where they are installed.

    Raises:
        HeadUnavailableError: MAML905 when neither qiskit-aer nor qiskit-aer-gpu is installed, or
            the installed one has no GPU and a GPU is asked for.
    """
    require_simulator()
    load_qiskit()
    from chimera_pipelines.quantum.engines.planned import PlannedEngine

    return PlannedEngine("GPU" if device == "gpu" else "CPU")


def require_simulator() -> None:
    """See that Aer is installed, without importing it.

    Raises:
        HeadUnavailableError: MAML905, neither qiskit-aer nor qiskit-aer-gpu is.
    """
    if importlib.util.find_spec("qiskit_aer") is None:
        raise HeadUnavailableError(
            "MAML905",
            "neither qiskit-aer nor qiskit-aer-gpu is installed",
            hint="install one of them, never both: the extra 'cpu' or the extra 'gpu'",
        )
