"""Which heavy modules a kernel's blocks need, so that they are imported before they are used."""

from __future__ import annotations

from chimera_pipelines.lifecycle.spec import KernelSpec


def preload(kernel: KernelSpec) -> tuple[str, ...]:
    """Modules that a warm session for this kernel has imported already."""
    if kernel.block.language == "sql":
        return ("duckdb",)
    blocks = [kernel.block] if kernel.feedback is None else [kernel.block, kernel.feedback]
    wanted = {name for block in blocks for name in block.imports}
    if kernel.block.language in ("qiskit", "qasm"):
        wanted.add("qiskit")
    heavy = (
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
    return tuple(name for name in heavy if name in wanted)
