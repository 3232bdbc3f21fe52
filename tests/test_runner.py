"""Whole runs without Dagster, on real heads, sandboxes, ring and History."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from chimera_pipelines.errors import ExitCode, RefusedError, UsageError
from chimera_pipelines.lifecycle import circuits
from chimera_pipelines.lifecycle.run import INTERRUPTED, Run
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.runner import RunReport, run_plan
from chimera_pipelines.scheduling.plan import Plan
from tests.lifecycle.conftest import FRONT, compiled, home, services

__all__ = ["compiled", "home", "services"]
Compiler = Callable[..., Plan]

DIAMOND = """## Dependencies
```yaml
kernels:
  a: {inputs: {x: 2}}
  b: {inputs: {x: $a.y}}
  c: {inputs: {x: $a.y}, shots: exact}
  d: {inputs: {left: $b.y, right: $c.probabilities}}
```
## Code_Blocks
```python {#a}
def run(x):
    return {"y": x + 1}
```
```python {#b}
def run(x):
    BODY
```
```qiskit {#c}
from qiskit import QuantumCircuit
def circuit(x):
    qc = QuantumCircuit(1)
    qc.ry(x, 0)
    qc.measure_all()
    return qc
```
```python {#d}
def run(left, right):
    return {"left": left, "one": right["1"]}
```
"""


def statuses(report: RunReport) -> dict[str, str]:
    return {kernel.kernel.name: kernel.status for kernel in report.kernels}


def actions(plan: Plan) -> list[tuple[str, str | None, str | None]]:
    entries = parse_history(Path(plan.document.path).read_bytes())
    return [(e.action, e.fields.get("kernel"), e.fields.get("status")) for e in entries]


def test_a_run_signs_every_kernel_and_a_second_one_reuses_all(
    compiled: Compiler, services: Services
) -> None:
    plan = compiled(DIAMOND.replace("BODY", 'return {"y": x * 10}'))
    watched: list[tuple[str, Phase | None]] = []
    report = run_plan(plan, services, watch=lambda k, p, s: watched.append((k, p)) if s else None)
    assert statuses(report) == dict.fromkeys("abcd", "ok")
    assert report.exit_code is ExitCode.OK
    assert report.as_json()["outputs"] == {
        "d": {"left": 30, "one": pytest.approx(0.99499625, abs=1e-6)}
    }
    assert [p for k, p in watched if k == "c"] == list(PHASES)
    assert {k for _, k, _ in actions(plan)[1:]} == set("abcd")
    assert actions(plan)[0][0] == "GRANT"
    again = run_plan(plan, services)
    assert statuses(again) == dict.fromkeys("abcd", "reused")
    assert [k.as_json()["output_digest"] for k in again.kernels] == [
        k.as_json()["output_digest"] for k in report.kernels
    ]
    assert [s for _, _, s in actions(plan)[6:]] == ["reused"] * 4


def test_forced_runs_leave_the_same_digests(compiled: Compiler, services: Services) -> None:
    plan = compiled(DIAMOND.replace("BODY", 'return {"y": x * 10}'))
    first, second = run_plan(plan, services), run_plan(plan, services, force=True)
    assert statuses(second) == dict.fromkeys("abcd", "ok")
    assert [k.as_json()["output_digest"] for k in first.kernels] == [
        k.as_json()["output_digest"] for k in second.kernels
    ]


def test_a_failed_kernel_skips_its_dependents_alone(compiled: Compiler, services: Services) -> None:
    plan = compiled(DIAMOND.replace("BODY", "return {'y': 1 / (x - 3)}"))
    report = run_plan(plan, services)
    assert statuses(report) == {"a": "ok", "b": "failed", "c": "ok", "d": "skipped"}
    assert report.exit_code is ExitCode.KERNEL_FAILED
    error = report.as_json()["kernels"][1]["error"]
    assert (error["code"], error["message"]) == ("MAML901", "ZeroDivisionError: division by zero")
    text = Path(plan.document.path).read_text().splitlines()
    assert text[error["where"]["line"] - 1].strip() == "return {'y': 1 / (x - 3)}"
    assert ("TICKET", "b", "failed") in actions(plan)


def test_prose_edits_rerun_nothing_and_code_edits_what_hangs_on_them(
    compiled: Compiler, services: Services
) -> None:
    body = DIAMOND.replace("BODY", 'return {"y": x * 10}')
    run_plan(compiled(body), services)
    prose = run_plan(compiled("More prose.\n\n" + body), services)
    assert set(statuses(prose).values()) == {"reused"}
    code = run_plan(compiled(body.replace("x * 10", "x * 11")), services)
    assert statuses(code) == {"a": "reused", "b": "ok", "c": "reused", "d": "ok"}


def test_a_critical_failure_stops_the_run(compiled: Compiler, services: Services) -> None:
    body = """## Dependencies
```yaml
kernels:
  bad: {critical: true}
  slow: {needs: [bad]}
  free: {inputs: {x: $wait.x}}
  wait: {}
```
## Code_Blocks
```python {#bad}
def run():
    raise ValueError("no")
```
```python {#slow}
def run():
    return {}
```
```python {#free}
def run(x):
    return {"x": x}
```
```python {#wait}
import time
def run():
    time.sleep(90)
    return {"x": 1}
```
## Output_Schema
```json {#bad}
{"type": "object"}
```
"""
    report = run_plan(compiled(body), services)
    assert statuses(report) == {
        "bad": "failed",
        "slow": "skipped",
        "free": "skipped",
        "wait": "failed",
    }


QUEUE = """## Dependencies
```yaml
kernels:
  bad: {head: [HEAD_3], critical: CRITICAL}
  queued: {head: [HEAD_3]}
  long: {head: [HEAD_4], timeout: 100, retries: 2}
```
## Code_Blocks
```python {#bad}
import time
def run():
    BODY
```
```python {#queued}
def run():
    return {}
```
```python {#long}
import time
def run():
    time.sleep(LONG)
    return {}
```
## Output_Schema
```json {#bad}
{"type": "object"}
```
"""


def test_a_critical_failure_starts_nothing_and_ends_what_runs(
    compiled: Compiler, services: Services
) -> None:
    body = QUEUE.replace("CRITICAL", "true").replace("BODY", "raise ValueError(1)")
    plan = compiled(body.replace("LONG", "90"))
    report = run_plan(plan, services)
    assert statuses(report) == {"bad": "failed", "queued": "skipped", "long": "failed"}
    error, attempts = report.kernels[2].error, report.kernels[2].attempts
    assert error is not None
    assert (error.code, error.message) == ("MAML903", "stopped: critical kernel 'bad' failed")
    assert attempts == 1
    assert {k for a, k, _ in actions(plan) if a == "TICKET"} == {"bad", "long"}


def test_a_kernel_queued_at_the_time_limit_is_not_started(
    compiled: Compiler, services: Services
) -> None:
    body = QUEUE.replace("CRITICAL", "false").replace("BODY", "time.sleep(60)")
    limited = FRONT.replace("---\n## Intent", "timeout_seconds: 1\n---\n## Intent")
    plan = compiled(body.replace("LONG", "0"), front=limited)
    report = run_plan(plan, services)
    assert [kernel.status for kernel in report.kernels][:2] == ["failed", "skipped"]
    assert report.kernels[1].error is not None
    assert report.kernels[1].error.code == "MAML902"
    assert "queued" not in {kernel for _, kernel, _ in actions(plan)}


def test_kernels_that_wait_for_a_head_keep_no_other_head_idle(
    compiled: Compiler, services: Services
) -> None:
    body = """## Dependencies
```yaml
kernels:
  first: {head: [HEAD_1]}
  second: {head: [HEAD_1]}
  third: {head: [HEAD_1]}
  other: {head: [HEAD_3]}
```
## Code_Blocks
""" + "".join(
        f"```python {{#{name}}}\ndef run():\n    return {{}}\n```\n"
        for name in ("first", "second", "third", "other")
    )
    ended, met = Event(), []

    def watch(kernel: str, phase: Phase | None, seconds: float | None) -> None:
        if kernel == "other" and phase is None:
            ended.set()
        if (kernel, phase, seconds) == ("first", Phase.PROPAGATE, None):
            met.append(ended.wait(30.0))

    run_plan(compiled(body), services, watch=watch)
    assert met == [True]


def test_a_failed_kernel_shows_its_ticket(compiled: Compiler, services: Services) -> None:
    plan = compiled(DIAMOND.replace("BODY", "return {'y': 1 / (x - 3)}"))
    report = run_plan(plan, services)
    shown = report.as_json()["kernels"][1]
    entries = parse_history(Path(plan.document.path).read_bytes())
    line = next(e for e in entries if e.fields.get("status") == "failed")
    assert str(shown["ticket"]["seq"]) == line.fields["seq"]
    assert shown["ticket"]["key"] == line.fields["key"]
    assert shown["input_digest"] == line.fields["in"]
    assert (shown["head"], shown["device"]) == (line.fields["head"], "cpu")
    assert shown["incarnation"] is not None
    assert [phase["phase"] for phase in shown["phases"]] == ["deserialize", "embed"]
    assert report.as_json()["kernels"][3]["ticket"] is None


LOOP = """## Dependencies
```yaml
kernels:
  loop:
    inputs: {theta: 0.5}
    shots: 10
    feedback: {block: again, carry: [theta], max_iterations: 10000}
```
## Code_Blocks
```qiskit {#loop}
from qiskit import QuantumCircuit
def circuit(theta):
    qc = QuantumCircuit(1)
    qc.ry(theta, 0)
    qc.measure_all()
    return qc
```
```python {#again}
def run(theta):
    return {"theta": theta, "done": False}
```
"""


def test_a_feedback_loop_stops_between_two_passes(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Run] = []
    passes: list[int] = []
    one_pass = circuits.CIRCUITS.one_pass

    def stopping(*given: Any) -> Any:
        passes.append(1)
        payload = one_pass(*given)
        if len(passes) == 2:
            runs[0].stop(INTERRUPTED)
        return payload

    monkeypatch.setattr(type(circuits.CIRCUITS), "one_pass", lambda _, *given: stopping(*given))
    plan = compiled(LOOP)
    report = run_plan(plan, services, opened=runs.append)
    assert len(passes) == 2
    assert statuses(report) == {"loop": "failed"}
    assert report.kernels[0].error is not None
    assert report.kernels[0].error.message == "stopped: interrupted"
    assert report.exit_code is ExitCode.INTERRUPTED
    assert report.as_json()["status"] == "failed"
    assert [run.status for run in services.ledger.run_states(report.run_id)][-1] == "failed"


def test_an_exception_of_the_main_thread_ends_kernels_and_the_run(
    compiled: Compiler, services: Services
) -> None:
    body = QUEUE.replace("CRITICAL", "false").replace("BODY", "raise ValueError(1)")
    plan = compiled(body.replace("LONG", "90"))
    runs: list[Run] = []

    def watch(kernel: str, phase: Phase | None, seconds: float | None) -> None:
        if kernel == "bad" and phase is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, services, watch=watch, opened=runs.append)
    assert ("TICKET", "long", "failed") in actions(plan)
    assert [run.status for run in services.ledger.run_states(runs[0].run_id)][-1] == "failed"


def test_a_run_stopped_before_its_first_kernel_is_no_success(
    compiled: Compiler, services: Services
) -> None:
    plan = compiled(DIAMOND.replace("BODY", "return {'y': x}"))
    report = run_plan(plan, services, opened=lambda run: run.stop(INTERRUPTED))
    assert set(statuses(report).values()) == {"skipped"}
    assert report.exit_code is ExitCode.INTERRUPTED


def test_retries_after_limits_leave_a_ticket_each(compiled: Compiler, services: Services) -> None:
    body = """## Dependencies
```yaml
kernels:
  k: {timeout: 1, retries: 1}
```
## Code_Blocks
```python {#k}
def run():
    while True:
        pass
```
"""
    plan = compiled(body)
    report = run_plan(plan, services)
    found = report.as_json()["kernels"][0]
    assert (found["status"], found["attempts"], found["error"]["code"]) == ("failed", 2, "MAML902")
    assert actions(plan)[1:] == [("TICKET", "k", "failed")] * 2


def test_a_run_that_is_not_admitted_leaves_no_entry(compiled: Compiler, services: Services) -> None:
    body = DIAMOND.replace("BODY", "return {'y': x}")
    elsewhere = compiled(
        body, front=FRONT.replace("gateway://local/default", "gateway://other/one")
    )
    with pytest.raises(RefusedError, match="MAML704"):
        run_plan(elsewhere, services)
    plan = compiled(body, name="plain")
    with pytest.raises(UsageError, match="has no partitions"):
        run_plan(plan, services, partition="1")
    assert "## History" not in Path(plan.document.path).read_text()


def test_timeout_of_the_whole_run(compiled: Compiler, services: Services) -> None:
    body = """## Dependencies
```yaml
kernels:
  a: {}
  b: {needs: [a]}
  c: {needs: [b]}
```
## Code_Blocks
```python {#a}
import time
def run():
    time.sleep(1.5)
    return {}
```
```python {#b}
def run():
    return {}
```
```python {#c}
def run():
    return {}
```
"""
    limited = FRONT.replace("---\n## Intent", "timeout_seconds: 1\n---\n## Intent")
    report = run_plan(compiled(body, front=limited), services)
    assert statuses(report) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert report.kernels[0].error is not None
    assert report.kernels[0].error.code == "MAML902"
    assert report.exit_code is ExitCode.KERNEL_FAILED
