"""From a plan to an open run."""

from __future__ import annotations

from collections.abc import Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import UsageError
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.sandbox.tiers import Tier
from chimera_pipelines.scheduling.plan import Plan


def open_run(
    plan: Plan,
    services: Services,
    *,
    run_id: str,
    partition: str | None = None,
    inputs: Mapping[str, JSONValue] | None = None,
    force: bool = False,
    whole: bool = False,
    tier: Tier | None = None,
) -> Run:
    """Admit a run of a plan (see `Run.open` for what it raises)."""
    static = (plan.partitions or {}).get("static")
    if partition is not None and isinstance(static, list) and partition not in static:
        known = ", ".join(str(key) for key in static[:12])
        raise UsageError(
            "CHIM204", f"'{plan.slug}' has no partition '{partition}'", hint=f"there are: {known}"
        )
    return Run.open(
        plan.document,
        plan.kernels,
        run_id=run_id,
        partition=partition,
        inputs=inputs or {},
        force=force,
        whole=whole,
        tier=tier,
        services=services,
    )


def partition_keys(plan: Plan) -> tuple[str, ...]:
    """Every key of a static partitioning.

    Raises:
        UsageError: the document has no partitions, or they are not a fixed list.
    """
    static = (plan.partitions or {}).get("static")
    if not isinstance(static, list):
        raise UsageError(
            "CHIM204",
            f"'{plan.slug}' has no static partitions",
            hint="name one with --partition; others are backfilled in Dagster",
        )
    return tuple(str(key) for key in static)
