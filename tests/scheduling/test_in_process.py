"""Kernels in threads: one at a time on each head, and none after the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import INTERRUPTED, Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling.in_process import InProcess
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.run_state import RunState
from tests.scheduling.stage import Stage, body, outcome

Sets = Callable[..., Stage]
Compiler = Callable[..., Plan]


@dataclass
class Work:
    """Stands in for the phases: notes who runs when, and does what it is told for a kernel."""

    acts: dict[str, Callable[[Run], object]] = field(default_factory=dict)
    begun: list[tuple[str, int]] = field(default_factory=list)
    together: list[set[str]] = field(default_factory=list)
    _running: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(
        self, run: Run, kernel: KernelSpec, upstream: object, *, attempt: int, watch: object
    ) -> Outcome:
        with self._lock:
            self.begun.append((kernel.name, attempt))
            self._running.add(kernel.name)
            self.together.append(set(self._running))
        try:
            self.acts.get(kernel.name, lambda _: None)(run)
        finally:
            with self._lock:
                self._running.discard(kernel.name)
        return outcome(kernel.name)


@pytest.fixture
def work() -> Iterator[Work]:
    with pytest.MonkeyPatch.context() as patch:
        found = Work()
        patch.setattr(phases, "run_kernel", found)
        yield found


@pytest.fixture
def state(compiled: Compiler, stage: Sets) -> Callable[..., RunState]:
    return lambda **kernels: stage(compiled(body(**kernels))).state


def statuses(state: RunState) -> dict[str, str]:
    return {name: report.status for name, report in state.reports.items()}


def test_one_at_a_time_on_a_head_and_heads_side_by_side(
    state: Callable[..., RunState], work: Work
) -> None:
    met = threading.Barrier(2, timeout=30)
    work.acts = {"a": lambda _: met.wait(), "c": lambda _: met.wait()}
    here = state(a="head: [HEAD_3]", b="head: [HEAD_3]", c="head: [HEAD_4]")
    InProcess(here).execute()
    assert statuses(here) == {"a": "ok", "b": "ok", "c": "ok"}
    assert not any({"a", "b"} <= running for running in work.together)


def late(_: Run) -> None:
    raise KernelError("MAML902", "timeout of 5 s")


def test_attempts_are_counted_and_come_to_an_end(
    state: Callable[..., RunState], work: Work
) -> None:
    work.acts["a"] = late
    here = state(a="retries: 1", b="needs: [a]")
    InProcess(here).execute()
    assert work.begun == [("a", 1), ("a", 2)]
    assert statuses(here) == {"a": "failed", "b": "skipped"}
    assert here.reports["a"].attempts == 2


def test_after_a_critical_failure_nothing_begins(
    state: Callable[..., RunState], work: Work
) -> None:
    work.acts["a"] = late
    here = state(a="critical: true, head: [HEAD_3]", b="head: [HEAD_3]")
    InProcess(here).execute()
    assert work.begun == [("a", 1)]
    assert statuses(here) == {"a": "failed", "b": "skipped"}


def test_an_interrupt_stops_the_run_and_comes_through(
    state: Callable[..., RunState], work: Work
) -> None:
    ended = threading.Event()

    def until_stopped(run: Run) -> None:
        run.told = ended.set
        assert ended.wait(30)

    work.acts["long"] = until_stopped
    here = state(short="head: [HEAD_3]", long="head: [HEAD_4]")

    def watch(kernel: str, *_: object) -> None:
        if kernel == "short":
            raise KeyboardInterrupt

    here.watch = watch
    with pytest.raises(KeyboardInterrupt):
        InProcess(here).execute()
    assert here.run.stopped == INTERRUPTED
