"""Kernels that are the same whenever they run are run again; the others say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from chimera_pipelines.ledger.ledger import TicketRow
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.recompute import KernelAgain, is_deterministic

DOCUMENT = """
## Dependencies
```yaml
kernels:
  plain: {inputs: {n: 3}}
  coin: {seed: 5, shots: 100, inputs: {angle: $plain.angle}}
  dated: {}
  asked: {inputs: {n: $input.n}}
```

## Input_Schema
```json
{"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}
```

## Code_Blocks
```python {#plain}
def run(n):
    return {"angle": n / 10}
```

```qiskit {#coin}
from qiskit import QuantumCircuit


def circuit(angle):
    qc = QuantumCircuit(1)
    qc.ry(angle, 0)
    qc.measure_all()
    return qc
```

```python {#dated}
import time


def run():
    return {"at": time.time()}
```

```python {#asked}
def run(n):
    return {"n": n}
```
"""


def tickets(services: Services, plan: Plan, *, n: int = 1) -> dict[str, TicketRow]:
    """Run the document and give each kernel's ticket."""
    report = run_plan(plan, services, inputs={"n": n})
    assert {kernel.status for kernel in report.kernels} == {"ok"}
    heads = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
    rows = [row for head in heads for row in services.ledger.last_tickets(head, 100)]
    return {str(row.kernel): row for row in rows}


def test_outputs_come_again(services: Services, compiled: Callable[..., Plan]) -> None:
    plan = compiled(DOCUMENT)
    path = Path(plan.document.path)
    found = tickets(services, plan)
    before = path.read_bytes()
    again = KernelAgain(services)
    for name in ("plain", "coin", "asked"):
        assert again(found[name], path) == found[name].output_digest
    assert again(found["dated"], path) is None
    assert path.read_bytes() == before, "running a kernel again signs nothing"
    assert len(parse_history(before)) == 5


def test_what_is_not_the_same_question_is_not_answered(
    services: Services, compiled: Callable[..., Plan]
) -> None:
    plan = compiled(DOCUMENT)
    path = Path(plan.document.path)
    found = tickets(services, plan, n=7)
    again = KernelAgain(services)
    assert again(found["asked"], path) is None, "the run had an input of its own"
    other = replace(found["plain"], doc="sha256:" + "0" * 64)
    assert again(other, path) is None, "the text was another"
    alone = replace(found["coin"], run_id="01K1Z6S8Q4T9X2R7B3M5N6P8VA")
    assert again(alone, path) is None, "what it read is not known"


def test_another_output_is_told(services: Services, compiled: Callable[..., Plan]) -> None:
    plan = compiled(DOCUMENT)
    found = tickets(services, plan)
    wrong = replace(found["plain"], output_digest="sha256:" + "0" * 64)
    now = KernelAgain(services)(wrong, Path(plan.document.path))
    assert now == found["plain"].output_digest


def test_a_clock_makes_a_kernel_another_one_each_time(compiled: Callable[..., Plan]) -> None:
    plan = compiled(DOCUMENT)
    assert [k.name for k in plan.kernels if not is_deterministic(k)] == ["dated"]
