"""Kernels in a head, without its process: what it tells, and what another one makes of that."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.heads.local import LocalHead, build_head
from chimera_pipelines.heads.performer import (
    INCARNATIONS,
    KEPT_RUNS,
    DeviceLostError,
    HeadContext,
    Performer,
    Work,
)
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.kernel_task import KernelTask, RunTask
from chimera_pipelines.scheduling.kernel_work import KernelPerformer
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan, save_plan
from tests.lifecycle.conftest import compiled, home, services

__all__ = ["compiled", "home", "services"]
Compiler = Callable[..., Plan]
Head = Callable[..., KernelPerformer]

COIN = """## Dependencies
```yaml
kernels:
  coin: {shots: 100, inputs: {x: 0.7}}
  sum: {inputs: {c: $coin.counts}, retries: 1, timeout: 60}
```
## Code_Blocks
```qiskit {#coin}
from qiskit import QuantumCircuit
def circuit(x):
    qc = QuantumCircuit(2)
    qc.ry(x, 0)
    qc.cx(0, 1)
    qc.measure_all()
    return qc
```
```python {#sum}
def run(c):
    BODY
```
"""
OK = 'return {"n": sum(c.values())}'


@pytest.fixture
def head(services: Services, tmp_path: Path) -> Iterator[Head]:
    """Makes heads, each the newest incarnation of its name until the next is made."""
    made: list[KernelPerformer] = []
    newest: dict[str, int] = {}

    def make(name: str = "HEAD_1") -> KernelPerformer:
        newest[name] = newest.get(name, 0) + 1
        (tmp_path / INCARNATIONS).write_text(json.dumps(newest))
        local = build_head(name, "cpu", memory_bytes=1 << 28, incarnation=newest[name])
        kind = local.describe().kind
        here = HeadContext(name, kind, "cpu", newest[name], "agent", tmp_path, local)
        made.append(KernelPerformer(here, Services(services.settings, here=here)))
        return made[-1]

    yield make
    for performer in made:
        performer.close()


@pytest.fixture
def task(compiled: Compiler, services: Services) -> Iterator[Callable[..., KernelTask]]:
    """A task of a run that has been granted."""
    runs: list[Run] = []

    def begin(body: str = COIN.replace("BODY", OK), **changed: Any) -> KernelTask:
        plan = compiled(body)
        run = open_run(plan, services, run_id=new_run_id(), force=True)
        run.begin()
        runs.append(run)
        plans = services.settings.root / "plans"
        save_plan(plan, plans)
        asked = RunTask(
            plan.digest,
            str(plans),
            str(Path(plan.document.path).absolute()),
            run.run_id,
            None,
            {},
            force=True,
            tier=str(run.tier),
        )
        return replace(KernelTask(asked, "coin"), **changed)

    yield begin
    for run in runs:
        run.close()


def work(task: KernelTask) -> Work:
    payload = json.loads(json.dumps(task.to_json()))
    return Work("w", "kernel", payload, run=task.run.id)


def performed(performer: KernelPerformer, task: KernelTask) -> list[dict[str, Any]]:
    """The frames of a work, as they pass the wire."""
    frames: list[dict[str, Any]] = []
    performer.perform(work(task), lambda frame: frames.append(json.loads(json.dumps(frame))))
    return frames


def outcome(frames: list[dict[str, Any]]) -> Outcome:
    return Outcome.from_json(frames[-1]["record"])


def tickets(services: Services, task: KernelTask) -> list[tuple[str, str]]:
    plan = json.loads((Path(task.run.plans) / f"{task.run.plan[7:]}.json").read_text())
    assert plan["document"]["path"]
    text = Path(task.run.document).read_text().splitlines()
    lines = [line.split("[TICKET]")[1] for line in text if "[TICKET]" in line]
    found = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]
    return [(one["kernel"], one["status"]) for one in found]


def test_it_is_a_performer() -> None:
    fits: type[Performer] = KernelPerformer
    assert fits


def test_each_phase_is_told_with_its_record(
    head: Head, task: Callable[..., KernelTask], services: Services
) -> None:
    asked = task()
    frames = performed(head(), asked)
    keys = [f"coin.{phase}" for phase in PHASES]
    assert [frame["key"] for frame in frames if frame["is"] == "start"] == keys
    assert [frame["key"] for frame in frames if frame["is"] == "end"] == keys
    assert [frame["record"].get("record") for frame in frames if frame["is"] == "end"] == [
        *("Deserialized", "Embedded", "Propagated", "Measured"),
        None,
    ]
    found = outcome(frames)
    assert (found.head, found.incarnation, found.status) == ("HEAD_1", 1, "ok")
    assert tickets(services, asked) == [("coin", "ok")]


@pytest.mark.parametrize("at", range(1, 5))
def test_another_head_goes_on_from_any_phase(
    head: Head, task: Callable[..., KernelTask], services: Services, at: int
) -> None:
    ends = [frame for frame in performed(head("HEAD_1"), task()) if frame["is"] == "end"]
    # A run in which the first head died in this phase.
    other = replace(task(), phase=PHASES[at], record=ends[at - 1]["record"], again=True)
    found = performed(head("HEAD_2"), other)
    keys = [f"coin.{phase}" for phase in PHASES[at:]]
    assert [frame["key"] for frame in found if frame["is"] == "start"] == keys
    assert outcome(found).output_digest == ends[-1]["record"]["output_digest"]
    assert (outcome(found).head, outcome(found).incarnation) == ("HEAD_2", 1)
    assert tickets(services, other)[-1] == ("coin", "ok")


def test_inputs_come_from_upstream_and_errors_are_told_with_their_ticket(
    head: Head, task: Callable[..., KernelTask], services: Services
) -> None:
    asked = task(COIN.replace("BODY", "return {'n': 1 / 0}"), kernel="sum")
    asked = replace(asked, upstream={"coin": {"counts": {"00": 3}, "shots": 3}})
    frames = performed(head("HEAD_3"), asked)
    last = frames[-1]
    assert (last["is"], last["key"]) == ("end", "sum.propagate")
    assert "record" not in last
    error = last["error"]
    assert (error["kind"], error["code"]) == ("KernelError", "MAML901")
    assert error["where"]["file"] == asked.run.document
    assert last["failure"]["invocation"]["head"] == "HEAD_3"
    assert last["failure"]["ticket"]["seq"] == 1
    assert tickets(services, asked) == [("sum", "failed")]


def test_a_failure_that_was_signed_is_told_again_and_signed_no_second_time(
    head: Head, task: Callable[..., KernelTask], services: Services
) -> None:
    asked = task(COIN.replace("BODY", "return {'n': 1 / 0}"), kernel="sum")
    asked = replace(asked, upstream={"coin": {"counts": {"00": 3}}})
    first = performed(head("HEAD_3"), asked)
    record = [frame for frame in first if "record" in frame][-1]["record"]
    again = performed(
        head("HEAD_4"), replace(asked, again=True, phase=Phase.PROPAGATE, record=record)
    )
    assert [frame["is"] for frame in again] == ["start", "end"]
    for name in ("code", "message", "kind", "phase"):
        assert again[-1]["error"][name] == first[-1]["error"][name]
    assert again[-1]["failure"]["ticket"] == first[-1]["failure"]["ticket"]
    assert again[-1]["failure"]["invocation"]["head"] == "HEAD_3"
    assert tickets(services, asked) == [("sum", "failed")]
    retried = performed(head("HEAD_4"), replace(asked, again=True, attempt=2))
    assert len([frame for frame in retried if frame["is"] == "start"]) == 3
    assert tickets(services, asked) == [("sum", "failed")] * 2


@pytest.mark.parametrize("phase", [Phase.DESERIALIZE, Phase.PROPAGATE, Phase.FEEDBACK])
def test_an_output_that_was_signed_is_adopted_and_nothing_runs(
    head: Head, task: Callable[..., KernelTask], services: Services, phase: Phase
) -> None:
    asked = task()
    first = performed(head(), asked)
    ends = [frame for frame in first if frame["is"] == "end"]
    at = PHASES.index(phase)
    record = ends[at - 1]["record"] if at else None
    again = performed(head(), replace(asked, again=True, phase=phase, record=record))
    assert [frame["key"] for frame in again] == ["coin.feedback"] * 2
    # What the last phase took until it had signed is known to who died alone.
    assert replace(outcome(again), seconds={}) == replace(outcome(first), seconds={})
    assert tickets(services, asked) == [("coin", "ok")]


def test_a_cancelled_work_fails_with_its_reason(
    head: Head, task: Callable[..., KernelTask], services: Services
) -> None:
    asked = task(COIN.replace("BODY", "\n    while True: pass"), kernel="sum")
    asked = replace(asked, upstream={"coin": {"counts": {}}})
    performer, frames = head("HEAD_3"), []
    mine, entered = work(asked), threading.Event()

    def emit(frame: Any) -> None:
        frames.append(frame)
        if frame.get("key") == "sum.propagate":
            entered.set()

    def cancel() -> None:
        entered.wait(30)
        mine.cancelled, mine.reason = True, "interrupted"
        performer.cancel(mine)

    thread = threading.Thread(target=cancel)
    thread.start()
    performer.perform(mine, emit)
    thread.join()
    error = frames[-1]["error"]
    assert (error["code"], error["message"]) == ("MAML903", "stopped: interrupted")
    assert tickets(services, asked) == [("sum", "failed")]
    performer.cancel(mine)  # it is over: nothing happens
    coin = performed(performer, replace(asked, kernel="coin", phase=None))
    assert coin == []


def test_a_work_that_was_cancelled_before_it_began_fails_at_once(
    head: Head, task: Callable[..., KernelTask]
) -> None:
    mine, frames = work(task()), []
    mine.cancelled = True
    head().perform(mine, frames.append)
    assert [frame["is"] for frame in frames] == ["start", "end"]
    assert frames[-1]["error"]["message"] == "stopped: its client is gone"


def test_a_lost_device_leaves_no_ticket(
    head: Head,
    task: Callable[..., KernelTask],
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise DeviceLostError("CUDA error: an illegal memory access was encountered")

    asked = task()
    performer = head()
    with monkeypatch.context() as patch:
        patch.setattr(LocalHead, "propagate", lost)
        frames: list[Any] = []
        with pytest.raises(DeviceLostError):
            performer.perform(work(asked), frames.append)
    assert [frame["is"] for frame in frames] == ["start", "end"] * 2 + ["start"]
    assert tickets(services, asked) == []
    record = frames[-2]["record"]
    again = replace(asked, again=True, phase=Phase.PROPAGATE, record=record)
    assert outcome(performed(head(), again)).incarnation == 2


def test_an_incarnation_that_was_replaced_signs_nothing(
    head: Head, task: Callable[..., KernelTask], services: Services
) -> None:
    asked, old = task(), head()
    head()
    last = performed(old, asked)[-1]
    assert last["error"]["code"] == "CHIM761"
    assert last["failure"] is None
    assert tickets(services, asked) == []


def test_getting_ready_starts_a_session_that_the_kernel_then_uses(
    head: Head, task: Callable[..., KernelTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[str] = []
    monkeypatch.setattr(
        LocalHead, "expect_circuits", lambda self: expected.append(self.describe().id)
    )
    warmed: list[str] = []
    warm = Run.warm
    monkeypatch.setattr(
        Run, "warm", lambda run, kernel: (warmed.append(kernel.name), warm(run, kernel))
    )
    asked, performer = task(), head("HEAD_2")
    assert performed(performer, replace(asked, phase=None)) == []
    assert (warmed, expected) == (["coin"], ["HEAD_2"])
    assert performed(performer, asked)[-1]["record"]["status"] == "ok"


def test_messages_from_the_asked_level_on_are_told(
    head: Head, task: Callable[..., KernelTask]
) -> None:
    loud = 'print("seen")\n    return {"n": 1}'
    asked = replace(
        task(COIN.replace("BODY", loud), kernel="sum"), upstream={"coin": {"counts": {}}}
    )
    performer = head("HEAD_3")
    told = [f for f in performed(performer, replace(asked, log_level=20)) if f["is"] == "log"]
    assert [(one["logger"], one["level"]) for one in told] == [("chimera.blocks", logging.INFO)]
    assert "seen" in told[0]["message"]
    quiet = replace(asked, run=replace(asked.run, id=task().run.id))
    assert [f for f in performed(performer, quiet) if f["is"] == "log"] == []


def test_a_run_that_cannot_be_opened_is_an_error_of_the_work(
    head: Head, task: Callable[..., KernelTask]
) -> None:
    asked = task()
    wrong = replace(asked, run=replace(asked.run, partition="x"))
    with pytest.raises(Exception, match="has no partitions"):
        performed(head(), wrong)
    with pytest.raises(FileNotFoundError):
        performed(head(), replace(asked, run=replace(asked.run, plan="sha256:" + "0" * 64)))


def test_a_pool_of_runs_is_kept(head: Head, task: Callable[..., KernelTask]) -> None:
    performer = head()
    for _ in range(KEPT_RUNS + 2):
        performed(performer, replace(task(), phase=None))
    assert len(performer._runs) == KEPT_RUNS
