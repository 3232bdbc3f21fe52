from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import HeadUnavailableError, RefusedError, UsageError
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run, partition_keys
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.settings import Settings
from tests.lifecycle.conftest import FRONT

Compiler = Callable[..., Plan]

BODY = """## Dependencies
```yaml
HEADkernels:
  k: {OPTIONS}
```
## Code_Blocks
```python {#k}
def run():
    return {}
```
## Input_Schema
```json
{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "m": {"default": 2}}}
```
"""


def body(head: str = "", options: str = "") -> str:
    return BODY.replace("HEAD", head, 1).replace("OPTIONS", options)


def opened(plan: Plan, services: Services, **arguments: object) -> dict[str, object]:
    run = open_run(plan, services, run_id=new_run_id(), **arguments)  # type: ignore[arg-type]
    return dict(run.inputs)


def test_defaults_are_applied_to_run_inputs(compiled: Compiler, services: Services) -> None:
    assert opened(compiled(body()), services, inputs={"n": 1}) == {"n": 1, "m": 2}


@pytest.mark.parametrize("inputs", [{}, {"n": "one"}, {"n": float("nan")}, {"n": 2**53}])
def test_run_inputs_that_do_not_fit_are_usage_errors(
    compiled: Compiler, services: Services, inputs: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="MAML505 run inputs"):
        opened(compiled(body()), services, inputs=inputs)


def test_a_partitioned_document_wants_one_of_its_keys(
    compiled: Compiler, services: Services
) -> None:
    plan = compiled(body('partitions: {static: ["a", "b"]}\n'))
    assert partition_keys(plan) == ("a", "b")
    with pytest.raises(UsageError, match="a run names one partition"):
        opened(plan, services, inputs={"n": 1})
    with pytest.raises(UsageError, match="has no partition 'c'"):
        opened(plan, services, inputs={"n": 1}, partition="c")
    with pytest.raises(UsageError, match="has no static partitions"):
        partition_keys(compiled(body(), name="plain"))


@pytest.mark.parametrize(
    ("front", "options", "kind", "code"),
    [
        ("gateway://elsewhere/x", "", RefusedError, "MAML704"),
        ("gateway://unset", "", RefusedError, "MAML704"),
        ("gateway://local/default", "head: [cuda]", HeadUnavailableError, "MAML905"),
    ],
)
def test_refusals(
    compiled: Compiler,
    services: Services,
    front: str,
    options: str,
    kind: type[Exception],
    code: str,
) -> None:
    text = FRONT.replace("gateway://local/default", front).replace("pytorch]", "pytorch, cuda]")
    with pytest.raises(kind, match=code):
        opened(compiled(body(options=options), front=text), services, inputs={"n": 1})


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ('python: "<3"', "wants python <3"),
        ('libs: ["numpy>=999"]', "wants 'numpy>=999'"),
        ('libs: ["no-such-library"]', "here it is absent"),
    ],
)
def test_requirements_are_checked_and_nothing_is_installed(
    compiled: Compiler, services: Services, requires: str, message: str
) -> None:
    text = FRONT.replace("[qiskit, pytorch]", f"[qiskit, pytorch], {requires}")
    with pytest.raises(RefusedError, match="CHIM205") as caught:
        opened(compiled(body(), front=text), services, inputs={"n": 1})
    assert message in str(caught.value)


def test_a_device_that_is_absent_is_refused_before_the_grant(
    compiled: Compiler, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    plan = compiled(body())
    services = Services(Settings(home=home, device="gpu"))
    with services, pytest.raises(HeadUnavailableError, match="MAML905"):
        opened(plan, services, inputs={"n": 1})
    assert "## History" not in Path(plan.document.path).read_text("utf-8")


def test_circuits_want_a_simulator(
    compiled: Compiler, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    absent = lambda name, *rest: None if name == "qiskit_aer" else find(name, *rest)  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", absent)
    opened(compiled(body()), services, inputs={"n": 1})
    circuit = """## Code_Blocks
```qiskit {#q}
from qiskit import QuantumCircuit
def circuit():
    return QuantumCircuit(1)
```
"""
    with pytest.raises(HeadUnavailableError, match="neither qiskit-aer nor qiskit-aer-gpu"):
        opened(compiled(circuit, name="quantum"), services)
