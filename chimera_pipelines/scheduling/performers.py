"""Who works in the heads that `chimera run` uses, as agents are told it when they are started."""

from __future__ import annotations

from types import MappingProxyType

KERNEL = "kernel"
"""Takes `kernel_task.KernelTask`."""

PERFORMERS = MappingProxyType(
    {
        KERNEL: "chimera_pipelines.scheduling.kernel_work:KernelPerformer",
        "sessions": "chimera_pipelines.lifecycle.session_desk:SessionDesk",
        "regeneration": "chimera_pipelines.scheduling.regeneration:Regeneration",
    }
)
