"""The performer of kernels: runs the phases of one kernel in the process of a head.

The head keeps services, pools of sandbox sessions and open runs from one work to the next. What a
phase leaves goes to the run at once, as JSON, so that a head that dies takes nothing along but the
phase that it was in. A kernel that fails is no failure of the work: its error is told in the `end`
frame of its phase, with the ticket that it left.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.performer import KEPT_RUNS, DeviceLostError, Emit, HeadContext, Work
from chimera_pipelines.lifecycle import attempts, phases, publish
from chimera_pipelines.lifecycle.records import Invocation, PhaseRecord
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.sandbox.tiers import Tier
from chimera_pipelines.scheduling.kernel_task import KernelTask, Record, RunTask, read_record
from chimera_pipelines.scheduling.lender import AgentLender
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan, read_plan
from chimera_pipelines.settings import settings

_ABANDONED = "its client is gone"
_LOGGERS = ("chimera", "chimera_pipelines")


class KernelPerformer:
    """Kernels in a head process.

    Args:
        here: the head.
        services: of this process; made from the environment when None.
    """

    def __init__(self, here: HeadContext, services: Services | None = None) -> None:
        lender = AgentLender(here, settings())
        self._services = services or Services(settings(), here=here, lender=lender)
        self._plans: dict[str, Plan] = {}
        self._runs: OrderedDict[tuple[str, str], Run] = OrderedDict()
        self._now: tuple[Work, Run] | None = None
        self._lock = threading.Lock()

    def perform(self, work: Work, emit: Emit) -> None:
        """Run the phases that the task asks for; see `Performer.perform`.

        Raises:
            DeviceLostError: of the head; nothing was signed for the kernel.
            ChimeraError: the run cannot be opened here.
        """
        task = KernelTask.from_json(work.payload)
        with _telling(emit, task.log_level):
            run = self._run(task.run)
            kernel = run.kernels[task.kernel]
            for other in task.soon:
                self._get_ready(run, run.kernels[other])
            if task.phase is None:
                self._get_ready(run, kernel)
                return
            if task.waited_s is not None:
                run.waited[kernel.name] = task.waited_s
            with self._performing(work, run):
                _Kernel(run, kernel, task, emit).go_on()

    def cancel(self, work: Work) -> None:
        """Stop the run of this work here: its sessions end, its kernel leaves a failed ticket."""
        with self._lock:
            run = self._now[1] if self._now is not None and self._now[0] is work else None
        if run is not None:
            run.stop(work.reason or _ABANDONED)

    def close(self) -> None:
        """End all sessions, pools and connections."""
        for run in self._runs.values():
            run.close()
        self._runs.clear()
        self._services.close()

    @contextmanager
    def _performing(self, work: Work, run: Run) -> Iterator[None]:
        """Let `cancel` reach the run. A run that was stopped is opened anew for later works."""
        with self._lock:
            self._now = (work, run)
        try:
            if work.cancelled:
                run.stop(work.reason or _ABANDONED)
            yield
        finally:
            with self._lock:
                self._now = None
            if run.stopped is not None:
                self._forget(run)

    def _get_ready(self, run: Run, kernel: KernelSpec) -> None:
        """Begin what takes time before the kernel can run: a session, a simulator."""
        run.warm(kernel)
        if kernel.block.language in ("qiskit", "qasm"):
            run.head_of(kernel).expect_circuits()

    def _run(self, task: RunTask) -> Run:
        """The run as this process has it open."""
        key = (task.id, task.document)
        run = self._runs.get(key)
        if run is None:
            run = self._opened(task)
            self._runs[key] = run
            while len(self._runs) > KEPT_RUNS:
                self._runs.popitem(last=False)[1].close()
        self._runs.move_to_end(key)
        limit = run.document.timeout_s
        left = math.inf if task.left_s is None else task.left_s
        run.started = time.monotonic() - (0.0 if limit is None else limit - left)
        return run

    def _opened(self, task: RunTask) -> Run:
        self._services.trim()
        return open_run(
            self._plan(task),
            self._services,
            run_id=task.id,
            partition=task.partition,
            inputs=task.inputs,
            force=task.force,
            whole=True,
            tier=self._tier(task),
        )

    def _tier(self, task: RunTask) -> Tier | None:
        """The run's tier; the weakest is not taken on its word."""
        tier = Tier(task.tier)
        asked = self._services.settings.sandbox == "process"
        return None if tier is Tier.PROCESS and not asked else tier

    def _plan(self, task: RunTask) -> Plan:
        if task.plan not in self._plans:
            self._plans.clear()
            self._plans[task.plan] = read_plan(task.plan, Path(task.plans))
        plan = self._plans[task.plan]
        # Two copies of a document are one plan, and each has its History.
        return replace(plan, document=replace(plan.document, path=task.document))

    def _forget(self, run: Run) -> None:
        for key in [key for key, open_ in self._runs.items() if open_ is run]:
            del self._runs[key]
        run.close()


class _Kernel:
    """One attempt of a kernel, from the phase that the task names."""

    def __init__(self, run: Run, kernel: KernelSpec, task: KernelTask, emit: Emit) -> None:
        self._run = run
        self._kernel = kernel
        self._task = task
        self._emit = emit
        self._record = None if task.record is None else read_record(task.record)

    def go_on(self) -> None:
        """Run phase after phase until the last, or until one fails."""
        task = self._task
        assert task.phase is not None  # noqa: S101 - the performer has looked
        if task.again:
            self._run.again.add(self._kernel.name)
            if self._taken_over(task.phase):
                return
        else:
            self._run.again.discard(self._kernel.name)
        for phase in PHASES[PHASES.index(task.phase) :]:
            if not self._phase(phase, self._step):
                return

    def _phase(self, phase: Phase, step: Callable[[Phase], Record]) -> bool:
        """Run a phase and tell of it; False when it failed."""
        key = f"{self._kernel.name}.{phase}"
        self._emit({"is": "start", "key": key, "phase": str(phase)})
        begun = time.monotonic()
        told: dict[str, Any] = {"is": "end", "key": key, "phase": str(phase)}
        try:
            self._record = step(phase)
        except DeviceLostError:
            self._run.release(self._kernel.name)
            raise
        except ChimeraError as error:
            failure = self._run.failures.pop(self._kernel.name, None)
            told["error"] = error_json(error)
            told["failure"] = None if failure is None else attempts.to_json(failure)
        else:
            told["record"] = self._record.to_json()
        self._emit({**told, "seconds": time.monotonic() - begun})
        return "record" in told

    def _step(self, phase: Phase) -> Record:
        if phase is Phase.DESERIALIZE:
            task = self._task
            return phases.deserialize(self._run, self._kernel, task.upstream, attempt=task.attempt)
        found: Record = getattr(phases, phase)(self._run, self._record)
        return found

    def _taken_over(self, phase: Phase) -> bool:
        """Tell of what another process signed of this attempt before it ended, if it did."""
        invocation = self._invocation()
        failed = attempts.failed_before(self._run, self._kernel, invocation)
        if failed is not None:
            error, failure = failed
            key = f"{self._kernel.name}.{phase}"
            told = {"error": error_json(error), "failure": attempts.to_json(failure)}
            self._emit({"is": "start", "key": key, "phase": str(phase)})
            self._emit({"is": "end", "key": key, "phase": str(phase), "seconds": 0.0, **told})
            return True
        tickets = self._run.tickets(self._kernel)
        signed = next((ticket for ticket in tickets if ticket.status != "failed"), None)
        if signed is None:
            return False
        run, kernel = self._run, self._kernel
        self._phase(Phase.FEEDBACK, lambda _: publish.adopt(run, kernel, invocation, signed))
        return True

    def _invocation(self) -> Invocation:
        if isinstance(self._record, PhaseRecord):
            return self._run.stamped(self._kernel, self._record.invocation)
        head = self._run.head_of(self._kernel)
        return attempts.begun(self._run, self._kernel, self._task.attempt, head)


class _Teller(logging.Handler):
    """Sends log messages to the run, which shows them as its own."""

    def __init__(self, emit: Emit, level: int) -> None:
        super().__init__(level)
        self._told = emit
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`. Frames come from the thread of the work alone."""
        if threading.get_ident() != self._thread:
            return
        self._told(
            {
                "is": "log",
                "logger": record.name,
                "level": record.levelno,
                "message": record.getMessage(),
            }
        )


@contextmanager
def _telling(emit: Emit, level: int) -> Iterator[None]:
    """Send what is logged from `level` on, while a work is performed."""
    teller = _Teller(emit, level)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(teller)
        logger.setLevel(min(level, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        for logger, old in zip(loggers, before, strict=True):
            logger.removeHandler(teller)
            logger.setLevel(old)
