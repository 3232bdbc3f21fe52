"""Runs a plan without Dagster: same phases, same digests, same tickets (DESIGN.md §2).

Kernels start as soon as what they wait for is there, one at a time on each head. One that fails
makes its dependents `skipped`; independent kernels still run, unless the failed one is critical.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, ClassVar, TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError, ExitCode, KernelError, Where
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

# Kernel, phase, seconds: None when the phase begins; phase None when the kernel has ended.
Watch: TypeAlias = Callable[[str, Phase | None, float | None], None]


@dataclass(frozen=True, slots=True)
class KernelReport:
    """How one kernel ended; `outcome` is None unless it is ok or reused."""

    kernel: KernelSpec
    status: str
    outcome: Outcome | None = None
    error: ChimeraError | None = None
    attempts: int = 0

    def as_json(self) -> dict[str, Any]:
        """The kernel object of `chimera.run/1` (CLI.md)."""
        if self.outcome is None:
            return {
                **_EMPTY,
                "name": self.kernel.name,
                "status": self.status,
                "attempts": self.attempts,
                "head": self.kernel.heads[0] if self.attempts else None,
                "error": None if self.error is None else self.error.as_json(),
            }
        found = self.outcome
        return {
            **_EMPTY,
            "name": self.kernel.name,
            "status": found.status,
            "head": found.head,
            "device": found.device,
            "incarnation": found.incarnation,
            "attempts": found.attempts,
            "sandbox": found.tier,
            "phases": [
                {"phase": str(phase), "seconds": round(found.seconds.get(phase, 0.0), 6)}
                for phase in PHASES
            ],
            "cuda_ns": found.cuda_ns,
            "input_digest": found.input_digest,
            "output_digest": found.output_digest,
            "output": found.output,
            "ticket": dict(found.ticket),
            "checkpoint": found.checkpoint,
        }


_EMPTY: dict[str, Any] = {
    "device": None,
    "incarnation": None,
    "sandbox": None,
    "phases": [],
    "cuda_ns": None,
    "input_digest": None,
    "output_digest": None,
    "output": None,
    "ticket": None,
    "checkpoint": None,
    "error": None,
    "diagnostics": [],
}


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended."""

    schema: ClassVar[str] = "chimera.run/1"
    plan: Plan
    run_id: str
    partition: str | None
    seconds: float
    kernels: tuple[KernelReport, ...]
    history: Mapping[str, Any]
    tier: str

    @property
    def exit_code(self) -> ExitCode:
        """0, or what the first failed kernel's error says."""
        errors = [report.error for report in self.kernels if report.error is not None]
        if not errors:
            return ExitCode.OK
        codes = {error.exit_code for error in errors}
        return codes.pop() if len(codes) == 1 else ExitCode.KERNEL_FAILED

    def as_json(self) -> dict[str, Any]:
        """`chimera.run/1` of CLI.md."""
        outputs = {r.kernel.name: r.outcome.output for r in self.kernels if r.outcome is not None}
        document = self.plan.document
        return {
            "schema": self.schema,
            "run_id": self.run_id,
            "status": "ok" if self.exit_code is ExitCode.OK else "failed",
            "seconds": round(self.seconds, 6),
            "partition": self.partition,
            "sandbox": self.tier,
            "document": {"path": document.path, "id": document.id, "digest": document.digest},
            "plan": self.plan.digest,
            "kernels": [report.as_json() for report in self.kernels],
            "outputs": {name: outputs[name] for name in self.plan.finals if name in outputs},
            "history": dict(self.history),
        }


def run_plan(
    plan: Plan,
    services: Services,
    *,
    partition: str | None = None,
    inputs: Mapping[str, JSONValue] | None = None,
    force: bool = False,
    watch: Watch = lambda *_: None,
) -> RunReport:
    """Run every kernel of a plan once.

    Args:
        plan: the compiled document.
        services: heads, pools, stores, ledger of this process.
        partition: partition key, for a partitioned document.
        inputs: run inputs by name.
        force: reuse nothing.
        watch: told when phases begin and end, from the thread of the kernel.

    Raises:
        ChimeraError: the run was not admitted, or its History refuses entries.
    """
    started = time.monotonic()
    run = open_run(
        plan,
        services,
        run_id=new_run_id(),
        partition=partition,
        inputs=inputs,
        force=force,
        whole=True,
    )
    try:
        run.begin()
        reports = _Scheduler(plan, run, watch).execute()
        run.finish("ok" if all(r.outcome is not None for r in reports) else "failed")
    finally:
        run.close()
    history = services.journal(plan.document).summary()
    seconds = time.monotonic() - started
    return RunReport(plan, run.run_id, partition, seconds, reports, history, str(run.tier))


@dataclass(slots=True)
class _Scheduler:
    """Starts kernels when their producers have ended; at most one at a time on each head."""

    plan: Plan
    run: Run
    watch: Watch
    reports: dict[str, KernelReport] = field(default_factory=dict)
    heads: dict[str, Lock] = field(default_factory=dict)
    stopped: bool = False

    def execute(self) -> tuple[KernelReport, ...]:
        self.heads = {head: Lock() for kernel in self.plan.kernels for head in kernel.heads}
        waiting = list(self.plan.kernels)
        running: dict[Future[KernelReport], KernelSpec] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(self.heads))) as pool:
            while waiting or running:
                waiting = self._start(waiting, running, pool)
                if running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._end(running.pop(future), future)
        return tuple(self.reports[kernel.name] for kernel in self.plan.kernels)

    def _start(
        self,
        waiting: list[KernelSpec],
        running: dict[Future[KernelReport], KernelSpec],
        pool: ThreadPoolExecutor,
    ) -> list[KernelSpec]:
        still = []
        for kernel in waiting:
            ended = [self.reports[p] for p in kernel.producers if p in self.reports]
            if self.stopped or any(report.outcome is None for report in ended):
                self._skip(kernel, None)
            elif self.run.left_s() <= 0.0:
                self._skip(kernel, _time_up(self.plan))
            elif len(ended) == len(kernel.producers):
                running[pool.submit(self._kernel, kernel)] = kernel
                self._warm_dependents(kernel)
            else:
                still.append(kernel)
        return still

    def _skip(self, kernel: KernelSpec, error: ChimeraError | None) -> None:
        self.reports[kernel.name] = KernelReport(kernel, "skipped", error=error)
        self.watch(kernel.name, None, None)

    def _end(self, kernel: KernelSpec, future: Future[KernelReport]) -> None:
        report = future.result()
        self.reports[kernel.name] = report
        self.watch(kernel.name, None, None)
        if report.outcome is None and kernel.critical:
            self.stopped = True

    def _kernel(self, kernel: KernelSpec) -> KernelReport:
        upstream: dict[str, JSONValue] = {}
        for name in kernel.data_producers:
            outcome = self.reports[name].outcome
            assert outcome is not None  # noqa: S101 - _start waits for producers that succeeded
            upstream[name] = outcome.output
        with self.heads[kernel.heads[0]]:
            return self._attempts(kernel, upstream)

    def _warm_dependents(self, kernel: KernelSpec) -> None:
        for other in self.plan.kernels:
            if kernel.name in other.producers:
                self.run.warm(other)

    def _attempts(self, kernel: KernelSpec, upstream: Mapping[str, JSONValue]) -> KernelReport:
        attempt = 1
        while True:
            try:
                outcome = phases.run_kernel(
                    self.run, kernel, upstream, attempt=attempt, watch=self.watch
                )
            except KernelError as error:
                over = self.stopped or self.run.left_s() <= 0.0
                if not error.retryable or attempt > kernel.retries or over:
                    return KernelReport(kernel, "failed", error=error, attempts=attempt)
                attempt += 1
            except ChimeraError as error:
                return KernelReport(kernel, "failed", error=error, attempts=attempt)
            else:
                return KernelReport(kernel, str(outcome.status), outcome, attempts=attempt)


def _time_up(plan: Plan) -> KernelError:
    return KernelError(
        "MAML902",
        f"timeout_seconds of {plan.document.timeout_s:g} s was over before it could start",
        where=Where(plan.document.path),
        hint="raise timeout_seconds in the front matter",
    )
