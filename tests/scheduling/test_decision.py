from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.decision import Decision, decide
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]

BODY = """## Dependencies
```yaml
kernels:
  a: {}
  b: {inputs: {x: $a.x}}
```
## Code_Blocks
```python {#a}
def run():
    return {"x": 1}
```
```python {#b}
def run(x):
    return {"x": x + 1}
```
"""


def decisions(plan: Plan, services: Services, *, force: bool = False) -> dict[str, Decision]:
    run = open_run(plan, services, run_id=new_run_id(), force=force)
    return {found.kernel: found for found in decide(plan, run)}


def test_first_run_then_reuse_then_what_a_change_reaches(
    compiled: Compiler, services: Services
) -> None:
    plan = compiled(BODY)
    before = decisions(plan, services)
    assert (before["a"].decision, before["a"].reason) == ("run", "first run")
    assert (before["b"].reason, before["b"].input_digest) == ("a will run first", None)
    report = run_plan(plan, services)
    after = decisions(plan, services)
    assert {found.decision for found in after.values()} == {"reuse"}
    digests = {k.kernel.name: k.as_json()["input_digest"] for k in report.kernels}
    assert {name: found.input_digest for name, found in after.items()} == digests
    changed = decisions(compiled(BODY.replace("x + 1", "x + 2")), services)
    assert changed["a"].decision == "reuse"
    assert changed["b"].reason == "inputs, code, options or head kind changed"
    assert {d.reason for d in decisions(plan, services, force=True).values()} == {
        "forced",
        "a will run first",
    }


def test_deciding_writes_no_history(compiled: Compiler, services: Services) -> None:
    plan = compiled(BODY)
    decisions(plan, services)
    assert "## History" not in Path(plan.document.path).read_text()
