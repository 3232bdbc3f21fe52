"""What an agent imports before its first fork, so that heads share the pages."""

from __future__ import annotations

import gc
import importlib
import os

from chimera_pipelines.errors import HeadUnavailableError


def preload(modules: tuple[str, ...]) -> None:
    """Import what every head will need, and keep the collector from touching it.

    A module may have a function `before_fork`, which makes ready what imports alone do not: caches,
    tables of libraries. It must start no thread and leave nothing open.

    Raises:
        HeadUnavailableError: CHIM718, one cannot be imported.
    """
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # torch asks NVML, and opens no CUDA
    for module in dict.fromkeys(modules):
        try:
            ready = getattr(importlib.import_module(module), "before_fork", None)
            if ready is not None:
                ready()
        except Exception as error:
            raise HeadUnavailableError(
                "CHIM718",
                f"cannot import '{module}' for the heads: {type(error).__name__}: {error}",
                hint="see 'chimera doctor'; the agent's log has more",
            ) from error
    gc.collect()
    gc.freeze()
