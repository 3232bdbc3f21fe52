"""What a run has begun for its kernels before they ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.sandbox.outcomes import Returned
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]

TWO = """## Dependencies
```yaml
kernels:
  bell: {shots: 10}
  even: {inputs: {found: $bell.output.counts}}
```
## Code_Blocks
```qiskit {#bell}
from qiskit import QuantumCircuit
def circuit():
    qc = QuantumCircuit(1, 1)
    qc.measure(0, 0)
    return qc
```
```python {#even}
def run(found):
    return {"even": len(found) % 2 == 0}
```
"""


class Loaded:
    """A session that takes every block."""

    def load(self, *_: object, **__: object) -> Returned:
        return Returned(None, (), "")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("whole", "expected"), [(True, ["HEAD_1"]), (False, [])])
def test_a_simulator_is_opened_while_the_sandbox_starts_where_all_phases_follow(
    compiled: Compiler,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    *,
    whole: bool,
    expected: list[str],
) -> None:
    told: list[str] = []
    monkeypatch.setattr(LocalHead, "expect_circuits", lambda head: told.append(head.describe().id))
    monkeypatch.setattr(LocalHead, "open", lambda *_: Loaded())
    run = open_run(compiled(TWO), services, run_id=new_run_id(), whole=whole)
    for kernel in run.kernels.values():
        run.session(kernel, phase="deserialize")
    run.close()
    assert told == expected
