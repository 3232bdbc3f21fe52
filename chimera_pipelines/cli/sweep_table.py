"""The table of `chimera run --all-partitions`: a row a partition, a column a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from chimera_pipelines.cli import values

if TYPE_CHECKING:
    from chimera_pipelines.scheduling.plan import Plan


def sweep_table(plan: Plan, reports: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of the table: the partition, numbers of the results, how each run went."""
    results = [
        {name: value for output in one["outputs"].values() for name, value in output.items()}
        for one in reports
    ]
    found = {
        n: None for one in results for n, v in one.items() if isinstance(v, bool | int | float)
    }
    names = [*(n for n in dict.fromkeys(_declared(plan)) if n in found)]
    names += [name for name in found if name not in names]
    rows = [
        (
            str(report["partition"] or "-"),
            *(_cell(result.get(name)) for name in names),
            report["status"],
            f"{report['seconds']:.2f}",
        )
        for report, result in zip(reports, results, strict=True)
    ]
    return values.table((partition_name(plan), *names, "status", "seconds"), rows)


def partition_name(plan: Plan) -> str:
    """The input that `$partition` is bound to, where there is just one such name."""
    names = {
        str(reference.place[0])
        for kernel in plan.kernels
        for reference in kernel.references
        if reference.root == "partition" and len(reference.place) == 1
    }
    return names.pop() if len(names) == 1 else "partition"


def _declared(plan: Plan) -> Iterator[str]:
    """Properties of the final kernels' Output_Schemas as their author ordered them."""
    for name in plan.finals:
        schema = plan.kernel(name).output_schema
        if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
            yield from schema["properties"]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6f}" if value == 0 or 1e-4 <= abs(value) < 1e6 else f"{value:.2e}"  # noqa: PLR2004 - where fixed notation reads well
    return str(value) if isinstance(value, int) else "-"
