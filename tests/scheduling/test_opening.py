from __future__ import annotations

from collections.abc import Callable

import pytest

from chimera_pipelines.errors import HeadUnavailableError, RefusedError, UsageError
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run, partition_keys
from chimera_pipelines.scheduling.plan import Plan
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
        ("gateway://local/default", "encryption: aes-256", RefusedError, "CHIM510"),
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
