"""The code location: `workspace.yaml` names this module. No torch, no qiskit on import."""

import dagster as dg

from chimera_pipelines.defs.location import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """The documents of `CHIMERA_HOME/documents`, the inbox, and what they run with."""
    return build_definitions()
