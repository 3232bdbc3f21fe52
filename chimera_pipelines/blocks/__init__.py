"""What a document's block may import of this package: `from chimera_pipelines import blocks`.

Importing it costs nothing; each function is looked up in its own module when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "anomaly": "models",
    "auc": "models",
    "checkpoint": "keeping",
    "decode": "streaming",
    "energy": "variational",
    "kernel_matrix": "models",
    "logical_threshold": "qec",
    "maxcut": "variational",
    "qaoa": "variational",
    "restored": "keeping",
    "stream": "streaming",
    "surface_code_memory": "qec",
    "syndrome_classifier": "models",
    "vqe": "variational",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"blocks has no function {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
