"""What of a run has ended, what may start, what must be skipped: the same wherever kernels run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError, KernelError, Where
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.run_report import KernelReport

# Kernel, phase, seconds: None when the phase begins; phase None when the kernel has ended.
Watch: TypeAlias = Callable[[str, Phase | None, float | None], None]


@dataclass(slots=True)
class RunState:
    """Kernels that wait and reports of those that ended; for the thread that schedules.

    Attributes:
        waiting: kernels that were neither started nor skipped, in the plan's order.
    """

    plan: Plan
    run: Run
    watch: Watch
    reports: dict[str, KernelReport] = field(default_factory=dict)
    waiting: list[KernelSpec] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = list(self.plan.kernels)

    @property
    def over(self) -> bool:
        """Whether nothing more may start: the run was stopped, or its time is up."""
        return self.run.stopped is not None or self.run.left_s() <= 0.0

    def ready(self) -> list[KernelSpec]:
        """Kernels that may start now; those that never may are skipped."""
        found = []
        for kernel in list(self.waiting):
            ended = [self.reports[p] for p in kernel.producers if p in self.reports]
            if self.over or any(report.outcome is None for report in ended):
                self.waiting.remove(kernel)
                self.end(self.skipped(kernel))
            elif len(ended) == len(kernel.producers):
                found.append(kernel)
        return found

    def skipped(self, kernel: KernelSpec) -> KernelReport:
        """The report of a kernel that does not start."""
        failed = any(
            name in self.reports and self.reports[name].outcome is None for name in kernel.producers
        )
        late = not failed and self.run.stopped is None and self.run.left_s() <= 0.0
        return KernelReport(kernel, "skipped", error=_time_up(self.plan) if late else None)

    def upstream(self, kernel: KernelSpec) -> dict[str, JSONValue]:
        """Outputs of the kernels that a ready one reads."""
        upstream: dict[str, JSONValue] = {}
        for name in kernel.data_producers:
            outcome = self.reports[name].outcome
            assert outcome is not None  # noqa: S101 - a ready kernel's producers succeeded
            upstream[name] = outcome.output
        return upstream

    def dependents(self, kernel: KernelSpec) -> list[KernelSpec]:
        """Waiting kernels that wait for this one."""
        return [other for other in self.waiting if kernel.name in other.producers]

    def retries(self, kernel: KernelSpec, error: ChimeraError, attempt: int) -> bool:
        """Whether an attempt that failed is followed by another one."""
        retryable = isinstance(error, KernelError) and error.retryable
        return retryable and attempt <= kernel.retries and not self.over

    def end(self, report: KernelReport) -> None:
        """Take a kernel's report; a critical one that failed stops the run."""
        kernel = report.kernel
        if report.status == "failed" and kernel.critical:
            self.run.stop(f"critical kernel '{kernel.name}' failed")
        self.reports[kernel.name] = report
        self.watch(kernel.name, None, None)

    def all(self) -> tuple[KernelReport, ...]:
        """The reports in the plan's order, when every kernel has one."""
        return tuple(self.reports[kernel.name] for kernel in self.plan.kernels)


def _time_up(plan: Plan) -> KernelError:
    return KernelError(
        "MAML902",
        f"timeout_seconds of {plan.document.timeout_s:g} s was over before it could start",
        where=Where(plan.document.path),
        hint="raise timeout_seconds in the front matter",
    )
