"""What heads are handed, what they get ready for, and how kernels end that get no head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import KernelError, Where
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.lifecycle.run import INTERRUPTED
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.kernel_task import KernelTask
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.reputation import Reputation
from tests.lifecycle.conftest import FRONT
from tests.scheduling.stage import Given, Heads, Stage, body, well

Compiler = Callable[..., Plan]
Sets = Callable[..., Stage]


def test_a_task_opens_the_same_run_elsewhere(compiled: Compiler, stage: Sets) -> None:
    plan = compiled(body(a=""))
    set_up = stage(plan)
    set_up.execute()
    task = KernelTask.from_json(set_up.given("a")[0].payload)
    run = set_up.state.run
    assert (task.run.id, task.run.plan, task.run.tier) == (run.run_id, plan.digest, str(run.tier))
    assert (task.run.force, task.run.inputs, task.run.left_s) == (True, {}, None)
    assert Path(task.run.document).is_absolute()
    assert (task.attempt, task.phase, task.again) == (1, Phase.DESERIALIZE, False)


def test_the_time_that_is_left_goes_along(compiled: Compiler, stage: Sets) -> None:
    front = FRONT.replace("---\n## Intent", "timeout_seconds: 500\n---\n## Intent")
    set_up = stage(compiled(body(a=""), front=front))
    set_up.state.run.started -= 100
    set_up.execute()
    left = set_up.given("a")[0].payload["run"]["left_s"]
    assert 0 < left <= 400


def test_the_same_head_gets_ready_with_the_kernel_and_another_by_itself(
    compiled: Compiler, stage: Sets
) -> None:
    options = "inputs: {x: $a.y}, head"
    text = body(a="head: [HEAD_3]", b=f"{options}: [HEAD_3]", c=f"{options}: [HEAD_4]")
    set_up = stage(compiled(text))
    assert set(set_up.execute().values()) == {"ok"}
    assert set_up.given("a")[0].payload["soon"] == ["b"]
    ready = [(work.head, work.kernel) for work in set_up.heads.works if work.phase is None]
    assert ("HEAD_4", "c") in ready
    assert ("HEAD_3", "b") not in ready


def test_warm_heads_begin_before_the_run_is_granted(compiled: Compiler, stage: Sets) -> None:
    set_up = stage(compiled(body(a="", b="needs: [a]")))
    set_up.heads.come("HEAD_3")
    set_up.dispatcher.get_ready()
    assert [(work.head, work.kernel, work.phase) for work in set_up.heads.works] == [
        ("HEAD_3", "a", None)
    ]
    assert set_up.execute() == {"a": "ok", "b": "ok"}


def test_a_critical_kernel_that_no_head_may_run_fails_where_it_stands(
    compiled: Compiler, stage: Sets
) -> None:
    plan = compiled(body(a="critical: true", b="needs: [a]"))
    bad = [Reputation(head, 1.0, 20.0, streak=9) for head in ("HEAD_3", "HEAD_4")]
    set_up = stage(plan, *bad)
    for head in ("HEAD_3", "HEAD_4"):
        set_up.heads.come(head)
    assert set_up.execute() == {"a": "failed", "b": "skipped"}
    report = set_up.reports["a"]
    assert report.error is not None
    assert report.error.code in {"CHIM730", "CHIM731"}
    kernel = plan.kernels[0]
    assert report.error.where == Where(plan.document.path, kernel.line, kernel.column)
    assert report.attempts == 0
    assert set_up.given("a") == []


def test_after_a_stop_what_died_is_ended_and_not_given_again(
    compiled: Compiler, stage: Sets
) -> None:
    plan = compiled(body(a=""))

    def stopped_and_dead(heads: Heads, given: Given) -> None:
        well(heads, given, until=Phase.EMBED)
        set_up.state.run.stop(INTERRUPTED)
        heads.die(given.head)

    set_up = stage(plan, begun=True, a=[stopped_and_dead])
    assert set_up.execute() == {"a": "failed"}
    report = set_up.reports["a"]
    assert report.error is not None
    assert (report.error.code, report.error.message) == ("MAML903", "stopped: interrupted")
    assert report.failure is not None
    assert len(set_up.given("a")) == 1


def test_an_attempt_that_never_begins_leaves_the_one_before_as_it_was(
    compiled: Compiler, stage: Sets
) -> None:
    late = KernelError("MAML902", "timeout of 5 s", phase="embed")

    def late_and_stopped(heads: Heads, given: Given) -> None:
        well(heads, given, until=Phase.EMBED)
        heads.end(given, Phase.EMBED, error=error_json(late), failure=None)
        heads._busy.add("HEAD_3")
        heads._busy.add("HEAD_4")
        heads.tell(given, **{"is": "rest", "failed": None, "error": None})
        stop_later.append(heads)

    stop_later: list[Heads] = []
    set_up = stage(compiled(body(a="retries: 3")), a=[late_and_stopped])
    patience = type(set_up.dispatcher)._patience

    def stopping(self: object) -> float:
        if stop_later and not set_up.state.over and set_up.dispatcher._queued():
            set_up.state.run.stop(INTERRUPTED)
        return patience(self)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(set_up.dispatcher), "_patience", stopping)
        assert set_up.execute() == {"a": "failed"}
    report = set_up.reports["a"]
    assert report.error is not None
    assert (report.error.code, report.attempts) == ("MAML902", 1)


def test_places_are_named_as_the_document_was(
    compiled: Compiler, stage: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = compiled(body(a=""))
    path = Path(plan.document.path)
    monkeypatch.chdir(path.parent)
    set_up = stage(plan)
    object.__setattr__(plan.document, "path", path.name)
    wrong = KernelError("MAML505", "no number", where=Where(str(path.absolute()), 20, 1))

    def fails(heads: Heads, given: Given) -> None:
        heads.start(given, Phase.DESERIALIZE)
        heads.end(given, Phase.DESERIALIZE, error=error_json(wrong), failure=None)
        heads.rest(given)

    set_up.heads.acts["a"] = [fails]
    set_up.execute()
    error = set_up.reports["a"].error
    assert error is not None
    assert error.where == Where(path.name, 20, 1)
