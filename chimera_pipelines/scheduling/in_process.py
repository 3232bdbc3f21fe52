"""Kernels in threads of this process, one at a time on each head.

What a program that embeds the runner gets, and `chimera run` with CHIMERA_HEADS=in_process.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.run import INTERRUPTED
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling.run_report import KernelReport
from chimera_pipelines.scheduling.run_state import RunState


@dataclass(slots=True)
class InProcess:
    """Starts kernels when their producers have ended and their head is free."""

    state: RunState
    running: dict[Future[KernelReport], KernelSpec] = field(default_factory=dict)

    def execute(self) -> None:
        """Run every kernel; returns when all have a report."""
        heads = {kernel.heads[0] for kernel in self.state.plan.kernels}
        with ThreadPoolExecutor(max_workers=max(1, len(heads))) as pool:
            try:
                while self.state.waiting or self.running:
                    self._start(pool)
                    done, _ = wait(self.running, return_when=FIRST_COMPLETED)
                    for future in done:
                        del self.running[future]
                        self.state.end(future.result())
            except BaseException as error:
                # The pool waits for its threads, and they for sandboxes: these end now.
                interrupted = isinstance(error, KeyboardInterrupt)
                self.state.run.stop(INTERRUPTED if interrupted else f"{type(error).__name__}")
                raise

    def _start(self, pool: ThreadPoolExecutor) -> None:
        """Start what can be.

        Kernels queue here and not in the pool's threads: one that waits for HEAD_1 keeps none
        from HEAD_3, and none of them begins after the run was stopped or its time was up.
        """
        busy = {kernel.heads[0] for kernel in self.running.values()}
        for kernel in self.state.ready():
            if kernel.heads[0] not in busy:
                busy.add(kernel.heads[0])
                self.state.waiting.remove(kernel)
                upstream = self.state.upstream(kernel)
                self.running[pool.submit(self._kernel, kernel, upstream)] = kernel
                for other in self.state.dependents(kernel):
                    self.state.run.warm(other)

    def _kernel(self, kernel: KernelSpec, upstream: Mapping[str, JSONValue]) -> KernelReport:
        if self.state.over:
            return self.state.skipped(kernel)
        report = self._attempts(kernel, upstream)
        if report.outcome is None and kernel.critical:
            # Now, in this thread: the one that schedules may be about to start another.
            self.state.run.stop(f"critical kernel '{kernel.name}' failed")
        return report

    def _attempts(self, kernel: KernelSpec, upstream: Mapping[str, JSONValue]) -> KernelReport:
        run, attempt = self.state.run, 1
        while True:
            try:
                outcome = phases.run_kernel(
                    run, kernel, upstream, attempt=attempt, watch=self.state.watch
                )
            except ChimeraError as error:
                if not self.state.retries(kernel, error, attempt):
                    failure = run.failures.get(kernel.name)
                    return KernelReport(kernel, "failed", None, error, attempt, failure)
                attempt += 1
            else:
                return KernelReport(kernel, str(outcome.status), outcome, attempts=attempt)
