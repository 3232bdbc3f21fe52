"""`chimera run` on heads that are killed in each phase, never answer, or are left by Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from chimera_pipelines.phase import Phase
from tests.e2e.chaos import document
from tests.e2e.warm import World, each_once, finished, outputs, until, warm

pytestmark = pytest.mark.xdist_group("run_on_heads")

DOCUMENT = document(3, seed=4, work=10)
PYTHON, CIRCUIT, LOOP = "python0", "circuit1", "loop2"
PASSES = 12
DEADLY = 4
# Each gate goes over 2^24 amplitudes, and in one call of Aer, which cannot be interrupted.
ENDLESS = (
    DOCUMENT.split("## Dependencies")[0]
    + """## Dependencies
```yaml
kernels:
  endless: {shots: 1, timeout: 1}
```
## Code_Blocks
```qiskit {#endless}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit(24)
    for layer in range(150):
        for q in range(24):
            qc.ry(0.1 * layer + q + 0.1, q)
            qc.cx(q, (q + 1 + layer % 7) % 24)
    qc.measure_all()
    return qc
```
"""
)


COUNTING = (
    DOCUMENT.split("## Dependencies")[0]
    + """## Dependencies
```yaml
kernels:
  counting: {timeout: 60}
```
## Code_Blocks
```python {#counting}
import time
from chimera_pipelines import blocks


def run():
    at = began = blocks.restored("at") or 0
    while at < 12:
        time.sleep(0.3)
        at += 1
        blocks.checkpoint("at", at)
    return {"began": began, "at": at}
```
"""
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with warm(tmp_path_factory.mktemp("run"), start=("HEAD_1", "HEAD_2", "HEAD_3")) as found:
        yield found


@pytest.fixture(scope="module")
def calm(world: World) -> dict[str, str]:
    return outputs(world.run(world.document(DOCUMENT, "calm")))


@pytest.fixture(autouse=True)
def no_marks_left(world: World) -> Iterator[None]:
    yield
    for mark in world.marks.iterdir():
        mark.unlink()


@pytest.mark.parametrize("phase", [Phase.EMBED, Phase.MEASURE])  # test_regeneration has the rest
def test_a_head_killed_in_a_phase_costs_only_time(
    world: World, calm: dict[str, str], phase: Phase
) -> None:
    world.mark(f"die_{CIRCUIT}.{phase}")
    path = world.document(DOCUMENT, f"killed_{phase}")
    report = world.run(path)
    assert outputs(report) == calm
    (death,) = report["regenerations"]
    assert (death["kernel"], death["phase"]) == (CIRCUIT, phase)
    assert sorted(world.tickets(path)) == sorted((name, "ok") for name in calm)
    assert world.steps(report["run_id"]) == each_once(calm)


def test_a_block_goes_on_from_its_last_checkpoint(world: World) -> None:
    process = world.chimera("run", world.document(COUNTING, "counting"), "--json")
    notes = world.settings.root / "runs"
    until("a checkpoint", lambda: any(path.is_file() for path in notes.rglob("*")))
    _, pid = world.busy("counting.propagate")
    os.kill(pid, signal.SIGKILL)
    report = finished(process)
    (kernel,) = report["kernels"]
    assert kernel["output"]["at"] == 12
    assert 0 < kernel["output"]["began"] < 12
    assert len(report["regenerations"]) == 1
    assert not any(path.is_file() for path in notes.rglob("*")), "notes end with their run"


def passes(world: World) -> list[int]:
    """Passes of the loop so far, in the order in which they ended."""
    lines = world.told.with_name("passes").read_text("utf-8").splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith(f"{LOOP} ")]


def test_a_loop_goes_on_in_the_pass_in_which_its_head_died(
    world: World, calm: dict[str, str]
) -> None:
    before = len(passes(world))
    world.mark(f"die_pass7_{LOOP}")
    path = world.document(DOCUMENT, "killed_in_pass")
    assert outputs(world.run(path)) == calm
    assert passes(world)[before:] == [*range(1, 8), *range(7, PASSES + 1)]
    assert sorted(world.tickets(path)) == sorted((name, "ok") for name in calm)


@pytest.mark.slow
def test_a_kernel_that_ends_every_head_fails_alone(world: World, calm: dict[str, str]) -> None:
    world.mark(f"poison_{CIRCUIT}.propagate")
    path = world.document(DOCUMENT, "deadly")
    report = world.run(path, code=1)
    found = {kernel["name"]: kernel for kernel in report["kernels"]}
    assert found[CIRCUIT]["error"]["code"] == "CHIM760"
    assert found[CIRCUIT]["error"]["hint"]
    assert len(report["regenerations"]) == DEADLY
    assert found[PYTHON]["status"] == "ok"
    assert world.tickets(path).count((CIRCUIT, "failed")) == 1
    (world.marks / f"poison_{CIRCUIT}.propagate").unlink()
    assert outputs(world.run(world.document(DOCUMENT, "after_deadly"))) == calm


@pytest.mark.slow
def test_ctrl_c_leaves_a_history_that_verifies_and_heads_that_work(
    world: World, calm: dict[str, str]
) -> None:
    world.mark(f"hold_{CIRCUIT}.propagate")
    path = world.document(DOCUMENT, "stopped")
    process = world.chimera("run", path, "--force", "--json")
    world.busy(f"{CIRCUIT}.propagate")
    process.send_signal(signal.SIGINT)
    report = finished(process, code=130)
    found = {kernel["name"]: kernel for kernel in report["kernels"]}
    assert report["status"] == "failed"
    assert found[CIRCUIT]["error"]["message"] == "stopped: interrupted"
    assert world.tickets(path).count((CIRCUIT, "failed")) == 1
    assert outputs(world.run(path)) == calm


@pytest.mark.slow
def test_a_call_into_aer_that_does_not_end_is_ended_with_its_head(
    world: World, calm: dict[str, str]
) -> None:
    path = world.document(ENDLESS, "endless")
    report = world.run(path, code=1)
    (kernel,) = report["kernels"]
    assert kernel["error"]["code"] == "MAML902"
    assert kernel["error"]["message"] == "timeout of 1 s"
    assert world.tickets(path) == [("endless", "failed")]
    assert outputs(world.run(world.document(DOCUMENT, "after_endless"))) == calm


@pytest.mark.slow
def test_two_runs_of_one_document_at_once(world: World, calm: dict[str, str]) -> None:
    path = world.document(DOCUMENT, "twice")
    both = [world.chimera("run", path, "--force", "--json") for _ in range(2)]
    reports = [finished(process) for process in both]
    assert [outputs(report) for report in reports] == [calm, calm]
    assert sorted(world.tickets(path)) == sorted([(name, "ok") for name in calm] * 2)
