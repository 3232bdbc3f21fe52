"""Runs of a loop whose registers are on a quantum head and whose learning is on an AI one.

Heads are real processes; AI heads are started when the first pass asks for one.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.e2e.warm import ROOT, World, finished, outputs, until, warm

pytestmark = pytest.mark.xdist_group("hybrid_loop")

HEADER = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:6f0c1f6a-31c4-4b52-8a35-9f5a7d8e2b41
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {resources: [qiskit, pytorch]}
permissions: {execute: ["gateway://local/default"]}
---
## Intent
A loop.

"""
LOOP = (
    HEADER
    + """## Dependencies
```yaml
kernels:
  k:
    inputs: {x: [0.2]}
    embedding: {method: angle, features: x, axis: ry}
    shots: 50
    timeout: 120
    feedback: {block: step, carry: [x], max_iterations: 4}
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit


def circuit():
    return QuantumCircuit(1)


def observable():
    return {"Z": 1.0}


def post(expectation, x):
    return {"z": expectation, "seen": x}
```
```python {#step}
import torch


def run(z, x, seed):
    SLOW
    torch.manual_seed(seed)
    with_torch = torch.tensor(x, dtype=torch.float64) * 1.25 + z * torch.rand(1)
    return {"x": with_torch.tolist(), "done": False}
```
"""
)
LEARNING = LOOP.replace("    SLOW\n", "")
ENDLESS = LOOP.replace("SLOW", "while True: pass")
PLAIN = LEARNING.replace("import torch", "import math").replace(
    """    torch.manual_seed(seed)
    with_torch = torch.tensor(x, dtype=torch.float64) * 1.25 + z * torch.rand(1)
    return {"x": with_torch.tolist(), "done": False}""",
    """    return {"x": [x[0] + math.sin(z)], "done": False}""",
)
FAULTS = ("tests.e2e.faults", "tests.e2e.session_faults")
DAGSTER = (sys.executable, "-m", "dagster")
AI_HEADS = {"HEAD_3", "HEAD_4"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("hybrid")
    with warm(folder, start=("HEAD_1",), preload=FAULTS) as found:
        yield found


@pytest.fixture(scope="module")
def calm(world: World) -> Any:
    return world.run(world.document(LEARNING, "calm"))


def test_without_torch_the_block_stays_beside_its_kernel(world: World) -> None:
    report = world.run(world.document(PLAIN, "plain"))
    (kernel,) = report["kernels"]
    assert "feedback_heads" not in kernel
    assert kernel["head"] in {"HEAD_1", "HEAD_2"}
    assert all(world.entry(head).pid is None for head in AI_HEADS), "none was asked for"


def test_torch_runs_on_an_ai_head_and_the_ticket_is_the_quantum_heads(
    world: World, calm: Any
) -> None:
    (kernel,) = calm["kernels"]
    (head,) = kernel["feedback_heads"]
    assert head in AI_HEADS
    assert world.entry(head).pid is not None, "it was started for this"
    assert kernel["head"] in {"HEAD_1", "HEAD_2"}
    assert world.tickets(world.home / "documents" / "calm.maml.md") == [("k", "ok")]


def test_dagster_asks_an_ai_head_too_and_shows_which(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop by `dagster job execute`, whose steps run on the same heads."""
    path = world.document(
        LEARNING.replace("7d8e2b41", "7d8e2b42").replace("0.2", "0.4"), "by_dagster"
    )
    job = ("-j", "maml_by_dagster_7d8e2b42")
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    done = subprocess.run(
        [*DAGSTER, "job", "execute", "-m", "chimera_pipelines.definitions", *job],
        env={**world.environment, "DAGSTER_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        (made,) = instance.fetch_materializations(dg.AssetKey(["by_dagster", "k"]), 1).records
    assert made.asset_materialization is not None
    shown = {key: item.value for key, item in made.asset_materialization.metadata.items()}
    assert shown["feedback_head"] in AI_HEADS
    assert shown["head"] in {"HEAD_1", "HEAD_2"}
    assert (shown["status"], shown["output/iterations"]) == ("ok", 4)
    assert world.tickets(path) == [("k", "ok")]


@pytest.mark.parametrize("fault", ["die_call", "stop_call"])
def test_an_ai_head_that_ends_in_a_pass_costs_only_time(
    world: World, calm: Any, fault: str
) -> None:
    before = {head: world.entry(head).incarnation for head in AI_HEADS}
    world.mark(fault)
    path = world.document(LEARNING, fault)
    report = world.run(path)
    assert outputs(report) == outputs(calm)
    (kernel,) = report["kernels"]
    lost = kernel["feedback_heads"][0]
    until("the next one", lambda: world.entry(lost).incarnation > before[lost])
    assert len(kernel["feedback_heads"]) == 2, "another AI head goes on"
    assert set(kernel["feedback_heads"]) == AI_HEADS
    assert kernel["attempts"] == 1
    assert world.tickets(path) == [("k", "ok")]


@pytest.mark.slow
def test_a_pass_without_an_end_ends_by_its_kernels_time(world: World, calm: Any) -> None:
    path = world.document(ENDLESS.replace("timeout: 120", "timeout: 8"), "endless")
    report = world.run(path, code=1)
    (kernel,) = report["kernels"]
    assert kernel["error"]["code"] == "MAML902"
    assert outputs(world.run(world.document(LEARNING, "after_endless"))) == outputs(calm)


def test_ctrl_c_ends_the_session_on_the_other_head(world: World, calm: Any) -> None:
    path = world.document(ENDLESS, "stopped")
    process = world.chimera("run", path, "--force", "--json")
    world.busy("k.feedback")
    process.send_signal(signal.SIGINT)
    report = finished(process, code=130)
    (kernel,) = report["kernels"]
    assert kernel["error"]["message"] == "stopped: interrupted"
    assert outputs(world.run(world.document(LEARNING, "after_stop"))) == outputs(calm)
