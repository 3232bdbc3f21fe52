"""Each block language through the five phases, and each phase alone from the record before it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.protocol import Measurements
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.records import (
    Deserialized,
    Embedded,
    Measured,
    Outcome,
    Propagated,
)
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.ring.checkpoint import unpack
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]


@pytest.fixture
def begun(compiled: Compiler, services: Services) -> Iterator[Callable[[str], Run]]:
    runs: list[Run] = []

    def begin(body: str) -> Run:
        run = open_run(compiled(body), services, run_id=new_run_id(), force=True)
        run.begin()
        runs.append(run)
        return run

    yield begin
    for run in runs:
        run.close()


def outcome(run: Run, name: str = "k") -> Outcome:
    return phases.run_kernel(run, run.kernels[name], {})


LOOP = """## Dependencies
```yaml
kernels:
  k:
    inputs: {x: [0.2]}
    embedding: {method: angle, features: x, axis: ry}
    shots: exact
    feedback: {block: step, carry: [x], max_iterations: LIMIT}
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit
def circuit():
    return QuantumCircuit(1)
def observable():
    return {"Z": 1.0}
def post(expectation, x, iteration):
    return {"z": expectation, "pass_number": iteration}
```
```python {#step}
import math
def run(z, x, iteration):
    RETURN
```
"""
STEP = 'return {"x": [x[0] + 0.5 * math.sin(x[0])], "done": z < -0.999999}'


def test_feedback_loop_ends_when_done_and_transpiles_once(begun: Callable[[str], Run]) -> None:
    run = begun(LOOP.replace("LIMIT", "60").replace("RETURN", STEP))
    found = outcome(run)
    assert isinstance(found.output, dict)
    assert found.output["converged"] is True
    count = found.output["iterations"]
    assert isinstance(count, int)
    assert found.series["pass_number"] == [float(n) for n in range(1, count + 1)]
    x = 0.2
    for _ in range(count - 1):
        x += 0.5 * math.sin(x)
    assert found.output["z"] == pytest.approx(math.cos(x), abs=1e-12)
    engine = run.head("HEAD_1").engine  # type: ignore[attr-defined]
    assert engine.compilations == 1


def test_a_loop_keeps_its_last_register_and_the_time_of_all_passes(
    begun: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, taken = LocalHead.measure, LocalHead.snapshot
    snapshots: list[bytes] = []

    def measure(head: LocalHead, *given: Any, **named: Any) -> Measurements:
        return replace(measured(head, *given, **named), cuda_ns=7)

    def snapshot(head: LocalHead, handle: Any) -> bytes:
        snapshots.append(taken(head, handle))
        return snapshots[-1]

    monkeypatch.setattr(LocalHead, "measure", measure)
    monkeypatch.setattr(LocalHead, "snapshot", snapshot)
    run = begun(LOOP.replace("LIMIT", "3").replace("RETURN", STEP))
    found = outcome(run)
    assert found.cuda_ns == 21
    first, last = snapshots
    assert found.checkpoint is not None
    held = unpack(run.services.ring.rebuild(found.checkpoint["id"]))
    assert held.registers == {"register": last}
    assert run.services.states.states(run.run_id) == [], "what is published needs no state"
    assert first != last


def test_reaching_the_limit_is_no_failure(begun: Callable[[str], Run]) -> None:
    found = outcome(begun(LOOP.replace("LIMIT", "3").replace("RETURN", STEP)))
    assert isinstance(found.output, dict)
    assert (found.output["iterations"], found.output["converged"]) == (3, False)


@pytest.mark.parametrize(
    "returned", ['{"x": [1.0]}', '{"x": [1.0], "done": 1}', '{"x": [1.0], "done": True, "y": 2}']
)
def test_feedback_returns_its_carry_and_done_alone(
    begun: Callable[[str], Run], returned: str
) -> None:
    run = begun(LOOP.replace("LIMIT", "3").replace("RETURN", f"return {returned}"))
    with pytest.raises(KernelError, match="MAML904 feedback block 'step'") as caught:
        outcome(run)
    assert caught.value.phase == "feedback"


def test_phases_resume_from_json_in_another_run_object(
    compiled: Compiler, services: Services
) -> None:
    body = LOOP.replace("LIMIT", "4").replace("RETURN", STEP)
    plan, run_id = compiled(body), new_run_id()

    def fresh(run_id: str = run_id) -> Run:
        run = open_run(plan, services, run_id=run_id, force=True)
        run.begin()
        return run

    def through_json(record: object) -> dict[str, object]:
        found: dict[str, object] = json.loads(json.dumps(record.to_json()))  # type: ignore[attr-defined]
        return found

    runs = [fresh() for _ in range(5)]
    first = phases.deserialize(runs[0], runs[0].kernels["k"], {})
    second = phases.embed(runs[1], Deserialized.from_json(through_json(first)))
    third = phases.propagate(runs[2], Embedded.from_json(through_json(second)))
    fourth = phases.measure(runs[3], Propagated.from_json(through_json(third)))
    last = phases.feedback(runs[4], Measured.from_json(through_json(fourth)))
    whole = fresh(new_run_id())
    again = phases.run_kernel(whole, whole.kernels["k"], {})
    assert last.output_digest == again.output_digest
    grants = services.journal(plan.document).summary()
    assert grants["tickets"] == 2
    for run in [*runs, whole]:
        run.close()


def test_a_register_that_is_lost_with_its_stores_is_evolved_again(
    compiled: Compiler, services: Services
) -> None:
    plan, run_id = compiled(LOOP.replace("LIMIT", "1").replace("RETURN", STEP)), new_run_id()

    def fresh() -> Run:
        run = open_run(plan, services, run_id=run_id, force=True)
        run.begin()
        return run

    run = fresh()
    calm = phases.run_kernel(run, run.kernels["k"], {})
    run = fresh()
    first = phases.embed(run, phases.deserialize(run, run.kernels["k"], {}))
    third = phases.propagate(run, first)
    run.close()
    shutil.rmtree(services.settings.root / "ring")
    run = fresh()
    last = phases.feedback(run, phases.measure(run, third))
    assert last.output_digest == calm.output_digest
    run.close()


QASM = """## Dependencies
```yaml
kernels:
  k: {inputs: {theta: 3.141592653589793}, shots: 50}
```
## Code_Blocks
```qasm {#k}
OPENQASM 3.0;
include "stdgates.inc";
input float theta;
qubit[2] q;
bit[2] c;
bit d;
rx(theta) q[0];
c[0] = measure q[0];
c[1] = measure q[1];
d = measure q[1];
```
"""


def test_qasm_binds_inputs_and_names_registers_in_the_order_of_the_key(
    begun: Callable[[str], Run],
) -> None:
    assert outcome(begun(QASM)).output == {
        "counts": {"0 01": 50},
        "registers": ["d", "c"],
        "shots": 50,
    }


SQL = """## Dependencies
```yaml
kernels:
  k: {inputs: {rows: [{a: 1}, {a: 5}], least: 2}}
```
## Code_Blocks
```sql {#k}
SELECT a, :least AS least FROM rows WHERE a > :least
```
"""


def test_sql_gives_rows(begun: Callable[[str], Run]) -> None:
    assert outcome(begun(SQL)).output == {"rows": [{"a": 5, "least": 2}]}


ARRAYS = """## Dependencies
```yaml
kernels:
  big: {}
  k: {inputs: {x: $big.x}}
```
## Code_Blocks
```python {#big}
import numpy as np
def run():
    return {"x": np.arange(70000, dtype=np.float32), "small": np.ones((2, 2))}
```
```python {#k}
def run(x):
    return {"shape": list(x.shape), "kind": str(x.dtype), "sum": float(x.sum(dtype="float64"))}
```
"""


def test_large_arrays_cross_as_blobs(begun: Callable[[str], Run]) -> None:
    run = begun(ARRAYS)
    first = outcome(run, "big")
    assert isinstance(first.output, dict)
    assert first.output["small"] == [[1, 1], [1, 1]]
    blob = first.output["x"]
    assert isinstance(blob, dict)
    assert (blob["media"], set(blob)) == ("application/x-npy", {"$blob", "bytes", "media"})
    second = phases.run_kernel(run, run.kernels["k"], {"big": first.output})
    assert second.output == {"shape": [70000], "kind": "float32", "sum": 70000 * 69999 / 2}


def test_a_query_cannot_name_a_blob(begun: Callable[[str], Run]) -> None:
    run = begun(
        """## Code_Blocks
```sql {#k}
SELECT {'$blob': 'sha256:11', 'bytes': 4, 'media': 'application/x-npy'} AS x
```
"""
    )
    with pytest.raises(KernelError, match=r"MAML904 .*\$blob"):
        outcome(run)


ONE = """## Code_Blocks
```python {#k}
SOURCE
```
## Output_Schema
```json {#k}
{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
```
"""


@pytest.mark.parametrize(
    ("source", "code", "phase"),
    [
        ("x = 1 / 0\ndef run():\n    return {}", "MAML901", "deserialize"),
        ("def run():\n    return [1]", "MAML904", "propagate"),
        ("def run():\n    return {'x': float('nan')}", "MAML904", "propagate"),
        ("def run():\n    return {'x': {1, 2}}", "MAML904", "propagate"),
        ("def run():\n    return {'x': 'one'}", "MAML505", "feedback"),
        ("def run():\n    return {'$blob': 'sha256:00'}", "MAML904", "propagate"),
        ("def run():\n    return run()", "MAML901", "propagate"),
    ],
)
def test_bad_results_fail_with_a_ticket(
    begun: Callable[[str], Run], source: str, code: str, phase: str
) -> None:
    run = begun(ONE.replace("SOURCE", source))
    with pytest.raises(KernelError) as caught:
        outcome(run)
    assert (caught.value.code, caught.value.phase) == (code, phase)
    assert caught.value.where is not None
    summary = run.services.journal(run.document).summary()
    assert (summary["entries"], summary["tickets"]) == (2, 1)


@pytest.mark.parametrize(
    ("circuit", "extra", "code"),
    [
        ("    return QuantumCircuit(1)", "", "MAML319"),
        (
            "    qc = QuantumCircuit(1, 1)\n    qc.measure(0, 0)\n    qc.reset(0)\n    return qc",
            "shots: exact",
            "MAML319",
        ),
        (
            "    qc = QuantumCircuit(1, 1)\n    qc.append(Secret(), [0])\n    return qc",
            "",
            "MAML319",
        ),
        ("    return []", "", "MAML412"),
        ("    return 3", "", "MAML904"),
    ],
)
def test_circuits_that_cannot_run(
    begun: Callable[[str], Run], circuit: str, extra: str, code: str
) -> None:
    body = (
        "## Dependencies\n```yaml\nkernels:\n  k: {" + extra + "}\n```\n## Code_Blocks\n"
        "```qiskit {#k}\nfrom qiskit import QuantumCircuit\nfrom qiskit.circuit import Gate\n"
        "class Secret(Gate):\n    def __init__(self):\n        super().__init__('secret', 1, [])\n"
        f"def circuit():\n{circuit}\n```\n"
    )
    with pytest.raises(KernelError) as caught:
        outcome(begun(body))
    assert caught.value.code == code
