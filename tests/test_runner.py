"""Whole runs without Dagster, on real heads, sandboxes, ring and History."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import ExitCode, RefusedError, UsageError
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
    time.sleep(2)
    return {"x": 1}
```
## Output_Schema
```json {#bad}
{"type": "object"}
```
"""
    report = run_plan(compiled(body), services)
    assert statuses(report) == {"bad": "failed", "slow": "skipped", "free": "skipped", "wait": "ok"}


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
