"""Runs a plan without Dagster: same phases, same digests, same tickets (DESIGN.md §2).

Kernels start as soon as what they wait for is there and their head is free, one at a time on each
head. One that fails makes its dependents `skipped`; independent kernels still run, unless the
failed one is critical: then nothing more is started and what runs is ended. So it is when the run
is stopped from outside (`Run.stop`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError, ExitCode, KernelError, Where
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import INTERRUPTED, FailedAttempt, Run
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
    """How one kernel ended.

    Attributes:
        outcome: None unless it is ok or reused.
        failure: its last attempt, when that left a failed ticket.
    """

    kernel: KernelSpec
    status: str
    outcome: Outcome | None = None
    error: ChimeraError | None = None
    attempts: int = 0
    failure: FailedAttempt | None = None

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
                **({} if self.failure is None else _failed(self.failure)),
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
            "phases": _timed(found.seconds, PHASES),
            "cuda_ns": found.cuda_ns,
            "input_digest": found.input_digest,
            "output_digest": found.output_digest,
            "output": found.output,
            "ticket": dict(found.ticket),
            "checkpoint": found.checkpoint,
        }


def _failed(failure: FailedAttempt) -> dict[str, Any]:
    """What is known of an attempt that failed; `phases` has those that had ended."""
    invocation = failure.invocation
    return {
        "head": invocation.head,
        "device": invocation.device,
        "incarnation": invocation.incarnation,
        "sandbox": invocation.tier,
        "phases": _timed(invocation.seconds, [p for p in PHASES if p in invocation.seconds]),
        "input_digest": invocation.input_digest,
        "ticket": asdict(failure.ticket),
    }


def _timed(seconds: Mapping[str, float], ended: Sequence[Phase]) -> list[dict[str, Any]]:
    return [{"phase": str(p), "seconds": round(seconds.get(p, 0.0), 6)} for p in ended]


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
    interrupted: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """0, what the failed kernels' errors say, or 130 of a run that the user stopped."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
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
    opened: Callable[[Run], None] = lambda _: None,
) -> RunReport:
    """Run every kernel of a plan once.

    Args:
        plan: the compiled document.
        services: heads, pools, stores, ledger of this process.
        partition: partition key, for a partitioned document.
        inputs: run inputs by name.
        force: reuse nothing.
        watch: told when phases begin and end, from the thread of the kernel.
        opened: told of the run before it begins; `stop` of it may be called from then on.

    Raises:
        ChimeraError: the run was not admitted, or its History refuses entries.
        KeyboardInterrupt: as it came, after the kernels in flight have left their tickets.
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
        opened(run)
        run.begin()
        reports = _execute(plan, run, watch)
    finally:
        run.close()
    history = services.journal(plan.document).summary()
    interrupted = run.stopped == INTERRUPTED and any(r.outcome is None for r in reports)
    seconds = time.monotonic() - started
    return RunReport(
        plan, run.run_id, partition, seconds, reports, history, str(run.tier), interrupted
    )


def _execute(plan: Plan, run: Run, watch: Watch) -> tuple[KernelReport, ...]:
    """Run the kernels and record the run's end, however it comes."""
    ended = "failed"
    try:
        reports = _Scheduler(plan, run, watch).execute()
        if all(report.outcome is not None for report in reports):
            ended = "ok"
    finally:
        run.finish(ended)
    return reports


@dataclass(slots=True)
class _Scheduler:
    """Starts kernels when their producers have ended and their head is free."""

    plan: Plan
    run: Run
    watch: Watch
    reports: dict[str, KernelReport] = field(default_factory=dict)
    running: dict[Future[KernelReport], KernelSpec] = field(default_factory=dict)

    def execute(self) -> tuple[KernelReport, ...]:
        heads = {kernel.heads[0] for kernel in self.plan.kernels}
        waiting = list(self.plan.kernels)
        with ThreadPoolExecutor(max_workers=max(1, len(heads))) as pool:
            try:
                while waiting or self.running:
                    waiting = self._start(waiting, pool)
                    done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._end(self.running.pop(future), future)
            except BaseException as error:
                # The pool waits for its threads, and they for sandboxes: these end now.
                interrupted = isinstance(error, KeyboardInterrupt)
                self.run.stop(INTERRUPTED if interrupted else f"{type(error).__name__}")
                raise
        return tuple(self.reports[kernel.name] for kernel in self.plan.kernels)

    def _start(self, waiting: Sequence[KernelSpec], pool: ThreadPoolExecutor) -> list[KernelSpec]:
        """Start or skip what can be; returns what has to wait, for a producer or for its head.

        Kernels queue here and not in the pool's threads: one that waits for HEAD_1 keeps none
        from HEAD_3, and none of them begins after the run was stopped or its time was up.
        """
        still = []
        busy = {kernel.heads[0] for kernel in self.running.values()}
        for kernel in waiting:
            ended = [self.reports[p] for p in kernel.producers if p in self.reports]
            if self._over() or any(report.outcome is None for report in ended):
                self._skip(kernel)
            elif len(ended) < len(kernel.producers) or kernel.heads[0] in busy:
                still.append(kernel)
            else:
                busy.add(kernel.heads[0])
                self.running[pool.submit(self._kernel, kernel)] = kernel
                self._warm_dependents(kernel)
        return still

    def _over(self) -> bool:
        return self.run.stopped is not None or self.run.left_s() <= 0.0

    def _skip(self, kernel: KernelSpec) -> None:
        self.reports[kernel.name] = self._skipped(kernel)
        self.watch(kernel.name, None, None)

    def _skipped(self, kernel: KernelSpec) -> KernelReport:
        failed = any(
            name in self.reports and self.reports[name].outcome is None for name in kernel.producers
        )
        late = not failed and self.run.stopped is None and self.run.left_s() <= 0.0
        return KernelReport(kernel, "skipped", error=_time_up(self.plan) if late else None)

    def _end(self, kernel: KernelSpec, future: Future[KernelReport]) -> None:
        self.reports[kernel.name] = future.result()
        self.watch(kernel.name, None, None)

    def _kernel(self, kernel: KernelSpec) -> KernelReport:
        if self._over():
            return self._skipped(kernel)
        upstream: dict[str, JSONValue] = {}
        for name in kernel.data_producers:
            outcome = self.reports[name].outcome
            assert outcome is not None  # noqa: S101 - _start waits for producers that succeeded
            upstream[name] = outcome.output
        report = self._attempts(kernel, upstream)
        if report.outcome is None and kernel.critical:
            self.run.stop(f"critical kernel '{kernel.name}' failed")
        return report

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
                if not error.retryable or attempt > kernel.retries or self._over():
                    return self._failed(kernel, error, attempt)
                attempt += 1
            except ChimeraError as error:
                return self._failed(kernel, error, attempt)
            else:
                return KernelReport(kernel, str(outcome.status), outcome, attempts=attempt)

    def _failed(self, kernel: KernelSpec, error: ChimeraError, attempts: int) -> KernelReport:
        failure = self.run.failures.get(kernel.name)
        return KernelReport(kernel, "failed", None, error, attempts, failure)


def _time_up(plan: Plan) -> KernelError:
    return KernelError(
        "MAML902",
        f"timeout_seconds of {plan.document.timeout_s:g} s was over before it could start",
        where=Where(plan.document.path),
        hint="raise timeout_seconds in the front matter",
    )
