"""The manifest of this package's own documents: `python -m chimera_pipelines.lifecycle.examples`.

Where neither bubblewrap nor Landlock works, only documents whose digest stands in `examples.json`
run (DESIGN.md §8). Names are given, never found by looking into a folder: what the inbox or a user
put beside the examples must not become trusted by a rerun.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chimera_pipelines.maml.history import doc_digest

MANIFEST = Path(__file__).with_name("examples.json")
DOCUMENTS = Path(__file__).parents[2] / "data" / "documents"
NAMES = (
    "bell.maml.md",
    "calibration_watch.maml.md",
    "ghz_127.maml.md",
    "h2_vqe.maml.md",
    "ising_quench.maml.md",
    "qaoa_100.maml.md",
    "qaoa_maxcut.maml.md",
    "quantum_anomaly.maml.md",
    "quantum_kernel_classifier.maml.md",
    "surface_code_memory.maml.md",
)


def manifest(folder: Path = DOCUMENTS, names: Iterable[str] = NAMES) -> dict[str, Any]:
    """The manifest of the named documents: digests of what stands above `## History`."""
    digests = {name: doc_digest((folder / name).read_bytes()) for name in sorted(names)}
    return {"schema": "chimera.examples/1", "documents": digests}


if __name__ == "__main__":
    MANIFEST.write_text(json.dumps(manifest(), indent=2) + "\n", "utf-8")
