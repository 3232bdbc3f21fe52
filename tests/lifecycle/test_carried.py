"""Feedback loops that go on in another process where one died."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.lifecycle import circuits, phases
from chimera_pipelines.lifecycle.carried import Carried
from chimera_pipelines.lifecycle.records import Measured, Outcome
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]

LOOP = """## Dependencies
```yaml
kernels:
  k:
    inputs: {x: [0.2]}
    embedding: {method: angle, features: x, axis: ry}
    shots: 50
    feedback: {block: step, carry: [x], max_iterations: 9}
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit
def circuit():
    return QuantumCircuit(1)
def observable():
    return {"Z": 1.0}
def post(expectation, x, iteration):
    return {"z": expectation, "n": iteration, "seen": x[0]}
```
```python {#step}
import math
def run(z, x, iteration):
    return {"x": [x[0] + 0.3 * math.sin(x[0]) + 0.01 * z], "done": False}
```
"""


class DiedError(BaseException):
    """Stands for the end of the process: nothing handles it."""


def measured(run: Run) -> Measured:
    record = phases.deserialize(run, run.kernels["k"], {})
    return phases.measure(run, phases.propagate(run, phases.embed(run, record)))


def opened(plan: Plan, services: Services, run_id: str, *again: str) -> Run:
    run = open_run(plan, services, run_id=run_id, force=True)
    run.again.update(again)
    run.begin()
    return run


def dying(passes: list[int], at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count passes after the first; die in the one of that number."""
    one_pass = circuits.Circuits.one_pass

    def counted(self: Any, run: Run, kernel: Any, invocation: Any, *rest: Any) -> Any:
        if invocation.iteration == at and at not in passes:
            passes.append(at)
            raise DiedError
        passes.append(invocation.iteration)
        return one_pass(self, run, kernel, invocation, *rest)

    monkeypatch.setattr(circuits.Circuits, "one_pass", counted)


def test_a_loop_goes_on_in_the_pass_that_was_interrupted(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = compiled(LOOP)
    calm = opened(plan, services, new_run_id())
    wanted = phases.feedback(calm, measured(calm))
    passes: list[int] = []
    dying(passes, 5, monkeypatch)
    run_id = new_run_id()
    first = opened(plan, services, run_id)
    record = measured(first)
    with pytest.raises(DiedError):
        phases.feedback(first, record)
    first.close()
    second = opened(plan, services, run_id, "k")
    found = phases.feedback(second, Measured.from_json(record.to_json()))
    assert passes == [2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert found.output_digest == wanted.output_digest
    assert found.series == wanted.series
    assert [one["pass"] for one in found.passes] == list(range(1, 10))
    assert {one["head"] for one in found.passes} == {"HEAD_1"}
    for run in (calm, second):
        run.close()


def test_another_attempt_or_a_run_of_its_own_begins_anew(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, run_id = compiled(LOOP), new_run_id()
    passes: list[int] = []
    dying(passes, 4, monkeypatch)
    first = opened(plan, services, run_id)
    record = measured(first)
    with pytest.raises(DiedError):
        phases.feedback(first, record)
    found: list[Outcome] = []
    for run, attempt in ((opened(plan, services, run_id, "k"), 2), (first, 1)):
        passes.clear()
        passes.append(4)
        services.progress.end("01UNRELATED")
        found.append(phases.feedback(run, record.in_attempt(attempt)))
        assert passes == [4, 2, 3, 4, 5, 6, 7, 8, 9]
        run.close()
    assert found[0].output_digest == found[1].output_digest


def test_cuda_time_is_that_of_all_passes_in_both_processes(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = LocalHead.measure
    monkeypatch.setattr(
        LocalHead, "measure", lambda *given, **named: replace(measure(*given, **named), cuda_ns=7)
    )
    plan, run_id = compiled(LOOP), new_run_id()
    dying([], 6, monkeypatch)
    first = opened(plan, services, run_id)
    record = measured(first)
    with pytest.raises(DiedError):
        phases.feedback(first, record)
    first.close()
    second = opened(plan, services, run_id, "k")
    assert phases.feedback(second, record).cuda_ns == 7 * 9
    second.close()


def test_late_passes_leave_fewer_notes(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(compiled(LOOP), services, new_run_id())
    invocation = measured(run).invocation
    noted: list[int] = []
    monkeypatch.setattr(Run, "note", lambda *given: noted.append(given[-1]["iteration"]))
    loop = Carried()
    for _ in range(1200):
        loop.go_on(run, invocation, {"x": [1.0]})
    monkeypatch.undo()
    run.close()
    assert noted[:200] == list(range(2, 202))
    steps = {b - a for a, b in pairwise(noted) if a >= 1024}
    assert steps == {5}
