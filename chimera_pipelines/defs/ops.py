"""The five phases as ops.

An op body reads resources, calls one function of `lifecycle`, attaches metadata, returns.
The definitions are shared by all kernels of all documents; an op finds its kernel by the tags of
its invocation. There is one `deserialize` for each number of inputs, because a fan-in list behind a
blocking check crashes Dagster's planner, and because two edges onto one `Nothing` input keep only
the first.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg

from chimera_pipelines.defs.checks import ticket_result
from chimera_pipelines.defs.failures import refuse_when_stopped, reported
from chimera_pipelines.defs.metadata import outcome_metadata, phase_metadata
from chimera_pipelines.defs.project import stored_plan
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.plan import Plan

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.run import Run

PLAN_TAG = "chimera/plan"
KERNEL_TAG = "chimera/kernel"
HEADS_TAG = "chimera/heads"
CRITICAL_TAG = "chimera/critical"
TIMEOUT_TAG = "chimera/timeout"
WORK_TAG = "chimera/work"
ASKED_TAG = "chimera/asked"
# The lifecycle ends a kernel at its `timeout`; what the executor ends later is one that it cannot.
OVERRUN_SECONDS = 10.0
CHECK_OUTPUT = "ticket"
REQUIRES = {"chimera"}


@dataclass(frozen=True)
class PhaseStep:
    """One phase of one kernel, as the body of `@maml_assets` gets it.

    Attributes:
        phase: which of the five.
        plan, kernel: what is run.
        run: computes the phase and returns its record; call it once.
    """

    phase: Phase
    plan: Plan
    kernel: KernelSpec
    run: Callable[[], Any]


Body: TypeAlias = Callable[[dg.OpExecutionContext, PhaseStep], Any]


def run_phase(context: dg.OpExecutionContext, step: PhaseStep) -> Any:
    """The default body: run the phase, nothing else."""
    del context
    return step.run()


def kernel_of(context: dg.OpExecutionContext) -> tuple[Plan, KernelSpec]:
    """The plan and kernel of a step, by the tags of its op's invocation."""
    tags = context.op.tags
    plan = stored_plan(tags[PLAN_TAG])
    return plan, plan.kernel(tags[KERNEL_TAG])


def _perform(
    context: dg.OpExecutionContext,
    body: Body,
    phase: Phase,
    call: Callable[["Run", KernelSpec, int], Any],
) -> Any:
    plan, kernel = kernel_of(context)
    if any(other.critical for other in plan.kernels):
        refuse_when_stopped(context)
    partition = context.partition_key if context.has_partition_key else None
    with reported(context, plan, kernel):
        chimera = context.resources.chimera
        run, attempt = chimera.run(plan, partition), chimera.attempt(plan, kernel.name, partition)
        return body(context, PhaseStep(phase, plan, kernel, lambda: call(run, kernel, attempt)))


def _deserialize(
    body: Body, suffix: str, pool: str | None, data: int, order: int
) -> dg.OpDefinition:
    values = {f"up{i}": dg.In() for i in range(data)}
    waits = {f"after{i}": dg.In(dg.Nothing) for i in range(order)}

    @dg.op(
        name=f"deserialize_{data}_{order}{suffix}",
        ins={**values, **waits},
        required_resource_keys=REQUIRES,
        pool=pool,
    )
    def deserialize(context: dg.OpExecutionContext, **upstream: Any) -> Any:
        def call(run: "Run", kernel: KernelSpec, attempt: int) -> Any:
            from chimera_pipelines.lifecycle import phases

            outputs = {name: upstream[f"up{i}"] for i, name in enumerate(kernel.data_producers)}
            return phases.deserialize(run, kernel, outputs, attempt=attempt)

        record = _perform(context, body, Phase.DESERIALIZE, call)
        context.add_output_metadata(phase_metadata(record))
        return record

    return deserialize


def _middle(body: Body, suffix: str, pool: str | None, phase: Phase) -> dg.OpDefinition:
    @dg.op(name=f"{phase}{suffix}", required_resource_keys=REQUIRES, pool=pool)
    def middle(context: dg.OpExecutionContext, record: Any) -> Any:
        def call(run: "Run", _: KernelSpec, attempt: int) -> Any:
            from chimera_pipelines.lifecycle import phases

            return getattr(phases, phase)(run, record.in_attempt(attempt))

        found = _perform(context, body, phase, call)
        context.add_output_metadata(phase_metadata(found))
        return found

    return middle


def _feedback(body: Body, suffix: str, pool: str | None) -> dg.OpDefinition:
    @dg.op(
        name=f"{Phase.FEEDBACK}{suffix}",
        out={"result": dg.Out(), CHECK_OUTPUT: dg.Out()},
        required_resource_keys=REQUIRES,
        pool=pool,
    )
    def feedback(context: dg.OpExecutionContext, record: Any) -> Iterator[Any]:
        def call(run: "Run", _: KernelSpec, attempt: int) -> Any:
            from chimera_pipelines.lifecycle import phases

            return phases.feedback(run, record.in_attempt(attempt))

        outcome = _perform(context, body, Phase.FEEDBACK, call)
        plan, _ = kernel_of(context)
        yield dg.Output(outcome.output, "result", metadata=outcome_metadata(plan, outcome))
        key = context.asset_key_for_output("result")
        yield ticket_result(
            plan, outcome.ticket["seq"], key, services=context.resources.chimera.services
        )

    return feedback


@dataclass(frozen=True)
class PhaseOps:
    """The op definitions of one body and pool."""

    body: Body
    suffix: str
    pool: str | None
    embed: dg.OpDefinition
    propagate: dg.OpDefinition
    measure: dg.OpDefinition
    feedback: dg.OpDefinition

    def deserialize(self, data: int, order: int) -> dg.OpDefinition:
        """The first phase for so many outputs read and so many kernels only waited for."""
        return _shared_deserialize(self.body, self.suffix, self.pool, data, order)


_shared_deserialize = cache(_deserialize)


@cache
def phase_ops(body: Body = run_phase, pool: str | None = None) -> PhaseOps:
    """The phases' op definitions; the same objects for the same body and pool.

    Dagster takes a pool from the op definition alone, never from an invocation, and wants one
    definition for each name: so a pool or a body of one's own becomes part of the name.
    """
    suffix = "" if body is run_phase else f"__{body.__name__}"
    suffix += "__" + re.sub(r"\W", "_", pool) if pool else ""
    return PhaseOps(
        body,
        suffix,
        pool,
        embed=_middle(body, suffix, pool, Phase.EMBED),
        propagate=_middle(body, suffix, pool, Phase.PROPAGATE),
        measure=_middle(body, suffix, pool, Phase.MEASURE),
        feedback=_feedback(body, suffix, pool),
    )


def tags_of(plan_digest: str, kernel: KernelSpec) -> dict[str, str]:
    """Tags by which a step finds its kernel, and the head executor a head for it."""
    found = {
        PLAN_TAG: plan_digest,
        KERNEL_TAG: kernel.name,
        HEADS_TAG: ",".join(kernel.heads),
        TIMEOUT_TAG: f"{kernel.timeout_s + OVERRUN_SECONDS:g}",
        WORK_TAG: kernel.work,
    }
    if kernel.head_tags:
        found[ASKED_TAG] = ",".join(kernel.head_tags)
    return {**found, CRITICAL_TAG: "true"} if kernel.critical else found
