"""The code location on Kubernetes: `chimera_pipelines.definitions` with one pod for each step.

`deploy/values.yaml` names this module. Pods share `CHIMERA_HOME` and the ledger, and nothing else.
"""

import dagster as dg
from dagster_k8s import k8s_job_executor

from chimera_pipelines.defs.location import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """The documents of `CHIMERA_HOME/documents`, run by Dagster's own Kubernetes executor."""
    return build_definitions(executor=k8s_job_executor)
