"""Runs a plan without Dagster: same phases, same digests, same tickets (DESIGN.md §2).

Kernels start as soon as what they wait for is there and a head is free, one at a time on each head:
in head processes where there is an agent, else in this one. A kernel that fails makes its
dependents `skipped`; independent kernels still run, unless the failed one is critical: then nothing
more is started and what runs is ended. So it is when the run is stopped from outside (`Run.stop`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.run import INTERRUPTED, Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.dispatcher import Dispatcher
from chimera_pipelines.scheduling.in_process import InProcess
from chimera_pipelines.scheduling.mailbox import Mailbox
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.placing import Heads
from chimera_pipelines.scheduling.plan import Plan, save_plan
from chimera_pipelines.scheduling.routing import open_router
from chimera_pipelines.scheduling.run_report import KernelReport, RunReport
from chimera_pipelines.scheduling.run_state import RunState, Watch

__all__ = ["FollowHeads", "KernelReport", "RunReport", "Watch", "run_plan"]

FollowHeads: TypeAlias = Callable[[Mailbox], Heads]
"""Makes a client of head processes that tells a mailbox, such as `heads.fleet.Fleet`."""


def run_plan(
    plan: Plan,
    services: Services,
    *,
    partition: str | None = None,
    inputs: Mapping[str, JSONValue] | None = None,
    force: bool = False,
    watch: Watch = lambda *_: None,
    opened: Callable[[Run], None] = lambda _: None,
    heads: FollowHeads | None = None,
) -> RunReport:
    """Run every kernel of a plan once.

    Args:
        plan: the compiled document.
        services: heads, pools, stores, ledger of this process.
        partition: partition key, for a partitioned document.
        inputs: run inputs by name.
        force: reuse nothing.
        watch: told when phases begin and end, in process from the thread of the kernel.
        opened: told of the run before it begins; `stop` of it may be called from then on.
        heads: head processes to run kernels in; None: they run in this process.

    Raises:
        ChimeraError: the run was not admitted, or its History refuses entries.
        KeyboardInterrupt: as it came, after the kernels in flight have left their tickets.
    """
    started = time.monotonic()
    mailbox = Mailbox()
    with ExitStack() as held:
        fleet = None
        if heads is not None:
            fleet = held.enter_context(closing(heads(mailbox)))
            # They start while the run is admitted and granted.
            fleet.require(*_first_heads(plan))
            save_plan(plan, services.settings.root / "plans")
        run = open_run(
            plan,
            services,
            run_id=new_run_id(),
            partition=partition,
            inputs=inputs,
            force=force,
            whole=True,
        )
        held.callback(run.close)
        opened(run)
        state = RunState(plan, run, watch)
        executor = InProcess(state) if fleet is None else _dispatcher(state, fleet, mailbox)
        if isinstance(executor, Dispatcher):
            executor.get_ready()
        run.begin()
        reports = _execute(state, executor)
    deaths = executor.regenerations if isinstance(executor, Dispatcher) else ()
    history = services.journal(plan.document).summary()
    interrupted = run.stopped == INTERRUPTED and any(r.outcome is None for r in reports)
    seconds = time.monotonic() - started
    return RunReport(
        plan,
        run.run_id,
        partition,
        seconds,
        reports,
        history,
        str(run.tier),
        interrupted,
        tuple(deaths),
    )


def _first_heads(plan: Plan) -> tuple[str, ...]:
    first = {kernel.heads[0] for kernel in plan.kernels if not kernel.producers and kernel.heads}
    return tuple(sorted(first))


def _dispatcher(state: RunState, fleet: Heads, mailbox: Mailbox) -> Dispatcher:
    run = state.run
    router = open_router(run.services.ledger, run.services.settings, run_id=run.run_id)
    return Dispatcher(state, fleet, mailbox, router, _first_heads(state.plan))


def _execute(state: RunState, executor: Dispatcher | InProcess) -> tuple[KernelReport, ...]:
    """Run the kernels and record the run's end, however it comes."""
    ended = "failed"
    try:
        executor.execute()
        if all(report.outcome is not None for report in state.reports.values()):
            ended = "ok"
    finally:
        state.run.finish(ended)
    return state.all()
