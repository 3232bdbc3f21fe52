"""What warm heads are started with: everything that any run may ask of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chimera_pipelines.heads.recipe import Recipe
    from chimera_pipelines.settings import Settings

COMPUTING = ("duckdb", "numpy", "qiskit", "qiskit_aer", "scipy", "torch")
"""Libraries that steps of some documents import."""

RETURNING = ("chimera_pipelines.heads.snapshot",)
"""What a head that comes back needs at once for its registers."""


def recipe(settings: Settings, *, cluster: str | None = None) -> Recipe:
    """Heads that serve `chimera run` and Dagster alike, their imports done.

    Args:
        settings: of the heads.
        cluster: address of the Ray cluster on whose machines they run; None: on this one.
    """
    from chimera_pipelines.defs import warm as dagster_side
    from chimera_pipelines.heads.recipe import Recipe
    from chimera_pipelines.scheduling.performers import PERFORMERS

    return Recipe(
        settings,
        {**PERFORMERS, **dagster_side.PERFORMERS},
        (
            *(name for name in COMPUTING if find_spec(name) is not None),
            *RETURNING,
            *dagster_side.PRELOAD,
        ),
        options=() if cluster is None else _placed(settings, cluster),
    )


def _placed(settings: Settings, cluster: str) -> tuple[str, ...]:
    gpus = settings.cluster_gpus
    if gpus is None:
        gpus = 1.0 if settings.device == "gpu" else 0.0
    return ("--cluster", cluster, "--gpus", str(gpus))
