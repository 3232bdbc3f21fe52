"""Why a kernel would run or be reused, before anything runs (`chimera plan --explain`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from chimera_pipelines.digest import JSONValue, read_canonical
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.lifecycle import inputs, publish
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import HeadKind, KernelSpec
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.router import KIND_OF_HEAD


@dataclass(frozen=True, slots=True)
class Decision:
    """What would happen to one kernel; `input_digest` is None while an upstream has to run."""

    kernel: str
    decision: Literal["run", "reuse"]
    reason: str
    input_digest: str | None


def decide(plan: Plan, run: Run) -> tuple[Decision, ...]:
    """Decisions in the plan's order, from the ledger and the content store alone."""
    outputs: dict[str, JSONValue] = {}
    decisions = []
    for kernel in plan.kernels:
        decision = _decide(run, kernel, outputs)
        decisions.append(decision)
    return tuple(decisions)


def _decide(run: Run, kernel: KernelSpec, outputs: dict[str, JSONValue]) -> Decision:
    waiting = [name for name in kernel.data_producers if name not in outputs]
    if waiting:
        return Decision(kernel.name, "run", f"{', '.join(waiting)} will run first", None)
    try:
        found = _digest(run, kernel, outputs)
    except ChimeraError as error:
        return Decision(kernel.name, "run", f"inputs cannot be resolved yet: {error.message}", None)
    if run.force:
        return Decision(kernel.name, "run", "forced", found)
    kind = KIND_OF_HEAD[kernel.heads[0]]
    reusable = run.reusable(found, kind)
    if reusable is None:
        return Decision(kernel.name, "run", _reason(run, kernel, found, kind), found)
    outputs[kernel.name] = read_canonical(run.services.store.get(reusable[0]))
    return Decision(kernel.name, "reuse", f"same inputs, code and options as {reusable[1]}", found)


def _digest(run: Run, kernel: KernelSpec, outputs: Mapping[str, JSONValue]) -> str:
    resolved = inputs.resolve(run.document, kernel, publish.sources(run, outputs))
    return inputs.input_digest(
        kernel, resolved.hashed, seed=run.seed(kernel), partition=run.partition
    )


def _reason(run: Run, kernel: KernelSpec, input_digest: str, kind: HeadKind) -> str:
    row = run.services.ledger.find_reusable(input_digest, kind)
    if row is not None:
        there = run.services.store.exists(row.output_digest)
        return "its stored output is damaged" if there else "its output is no longer stored"
    earlier = run.services.ledger.latest_output(run.document.id, run.document.slug, kernel.name)
    return "first run" if earlier is None else "inputs, code, options or head kind changed"
