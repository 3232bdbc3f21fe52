"""What may start, what must be skipped, what is tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chimera_pipelines.errors import KernelError, UsageError
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.run_report import KernelReport
from chimera_pipelines.scheduling.run_state import RunState
from tests.lifecycle.conftest import FRONT
from tests.scheduling.stage import Stage, body, outcome

Sets = Callable[..., Stage]
LATE = KernelError("MAML902", "timeout of 5 s")
WRONG = KernelError("MAML505", "no number")


@pytest.fixture
def state(compiled: Callable[..., Plan], stage: Sets) -> RunState:
    """`a` before `b` before `c`, and `d` by itself."""
    text = body(a="retries: 1", b="inputs: {x: $a.y}", c="needs: [b]", d="critical: true")
    return stage(compiled(text)).state


def names(state: RunState) -> list[str]:
    return [kernel.name for kernel in state.ready()]


def end(state: RunState, name: str, *, ok: bool = True) -> None:
    kernel = next(kernel for kernel in state.plan.kernels if kernel.name == name)
    if kernel in state.waiting:
        state.waiting.remove(kernel)
    done = outcome(name, output={"y": name}) if ok else None
    state.end(KernelReport(kernel, "ok" if ok else "failed", done))


def test_kernels_are_ready_when_what_they_wait_for_has_ended(state: RunState) -> None:
    assert names(state) == ["a", "d"]
    assert names(state) == ["a", "d"], "asking changes nothing"
    end(state, "a")
    assert set(names(state)) == {"b", "d"}
    b = next(kernel for kernel in state.waiting if kernel.name == "b")
    assert state.upstream(b) == {"a": {"y": "a"}}
    assert [kernel.name for kernel in state.dependents(b)] == ["c"]
    end(state, "b")
    c = next(kernel for kernel in state.waiting if kernel.name == "c")
    assert state.upstream(c) == {}, "it waits for b and reads nothing of it"


def test_a_failure_skips_all_that_hangs_on_it(state: RunState) -> None:
    end(state, "a", ok=False)
    assert names(state) == ["d"]
    end(state, "d")
    assert names(state) == []
    assert [r.kernel for r in state.all()] == list(state.plan.kernels)
    assert {r.kernel.name: r.status for r in state.all()} == {
        "a": "failed",
        "b": "skipped",
        "c": "skipped",
        "d": "ok",
    }
    assert all(report.error is None for report in state.all())


def test_a_critical_failure_stops_the_run(state: RunState) -> None:
    end(state, "d", ok=False)
    assert state.over
    assert state.run.stopped == "critical kernel 'd' failed"
    assert names(state) == []
    assert state.reports["a"].status == "skipped"


def test_only_what_may_end_otherwise_is_tried_again_and_so_often(state: RunState) -> None:
    a = state.plan.kernels[0]
    assert state.retries(a, LATE, 1)
    assert not state.retries(a, LATE, 2)
    assert not state.retries(a, WRONG, 1)
    assert not state.retries(a, UsageError("MAML902", "of another kind"), 1)
    state.run.stop("interrupted")
    assert not state.retries(a, LATE, 1)


def test_kernels_for_which_no_time_is_left_say_so(
    compiled: Callable[..., Plan], stage: Sets
) -> None:
    front = FRONT.replace("---\n## Intent", "timeout_seconds: 5\n---\n## Intent")
    state = stage(compiled(body(a="", b="needs: [a]"), front=front)).state
    assert names(state) == ["a"]
    state.run.started -= 6
    assert names(state) == []
    error = state.reports["a"].error
    assert error is not None
    assert (error.code, "5 s" in error.message) == ("MAML902", True)
    assert state.reports["b"].error is None, "it is skipped for the sake of a"
