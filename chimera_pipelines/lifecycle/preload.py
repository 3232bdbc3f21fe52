"""Which heavy modules a kernel's blocks need, so that they are imported before they are used."""

from __future__ import annotations

from chimera_pipelines.lifecycle.spec import KernelSpec

_HEAVY = (
    "numpy",
    "pandas",
    "pymatching",
    "qiskit",
    "scipy",
    "stim",
    "sympy",
    "torch",
    "networkx",
)


def preload(kernel: KernelSpec) -> tuple[str, ...]:
    """Modules that a warm session for this kernel has imported already."""
    if kernel.block.language == "sql":
        return ("duckdb",)
    wanted = set(kernel.block.imports)
    if kernel.feedback is not None and not kernel.learns:
        wanted.update(kernel.feedback.imports)
    if kernel.block.language in ("qiskit", "qasm"):
        wanted.add("qiskit")
    return tuple(name for name in _HEAVY if name in wanted)


def feedback_preload(kernel: KernelSpec) -> tuple[str, ...]:
    """Those of a session of its own for the kernel's feedback block."""
    wanted = () if kernel.feedback is None else kernel.feedback.imports
    return tuple(name for name in _HEAVY if name in wanted)
