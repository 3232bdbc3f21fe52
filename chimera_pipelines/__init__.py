"""Chimera Pipelines: MAML documents as orchestrated, signed quantum-classical pipelines."""

__version__ = "0.1.0"

__all__ = ["__version__"]
