"""Runs on real heads that are killed, stopped, corrupted and robbed of their stores.

Whatever happens: the run ends well, its outputs are those of an undisturbed run, each kernel has
one ticket in a History that verifies and one row in the ledger, and the head comes back.
"""

from __future__ import annotations

import errno
import json
import operator
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.heads.timeline import Stage, Timeline
from tests.e2e.chaos import document, running
from tests.e2e.warm import World, each_once, finished, outputs, until, warm

pytestmark = pytest.mark.xdist_group("regeneration")

KERNELS = 3
DOCUMENT = document(KERNELS, seed=4, work=60)
CIRCUIT, LOOP, PYTHON = "circuit1", "loop2", "python0"
QUANTUM = ("HEAD_1", "HEAD_2")
ALL = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with warm(tmp_path_factory.mktemp("regeneration"), start=ALL) as found:
        yield found


@pytest.fixture(scope="module")
def calm(world: World) -> dict[str, str]:
    return outputs(world.run(world.document(DOCUMENT, "calm")))


@pytest.fixture(autouse=True)
def no_marks_left(world: World) -> Iterator[None]:
    yield
    for mark in world.marks.iterdir():
        mark.unlink()


def deaths(world: World) -> int:
    return len(world.events("regeneration"))


def came_back(world: World, before: int) -> list[Timeline]:
    """Timelines of the regenerations since, at least one."""
    until("a regeneration", lambda: deaths(world) > before)
    return [Timeline.from_json(event.detail) for event in world.events("regeneration")[before:]]


def check(
    world: World,
    path: Path,
    report: dict[str, Any],
    calm: dict[str, str],
    *,
    seen: Callable[[Counter[str], Counter[str]], bool] = operator.eq,
) -> None:
    """The outputs of an undisturbed run, each step ended once, one ticket a kernel everywhere."""
    assert report["status"] == "ok"
    assert outputs(report) == calm
    assert sorted(world.tickets(path)) == sorted((name, "ok") for name in calm)
    assert world.in_ledger(report["run_id"]) == sorted((name, "ok") for name in calm)
    assert seen(world.steps(report["run_id"]), each_once(calm))
    (run,) = (kernel for kernel in report["kernels"] if kernel["name"] == CIRCUIT)
    assert run["attempts"] == 1, "a death is no attempt"


@pytest.mark.parametrize(
    "mark",
    [
        f"die_{CIRCUIT}.deserialize",  # before its first checkpoint
        f"die_{CIRCUIT}.propagate",
        f"die_after_{CIRCUIT}.propagate",  # its register is saved, nobody was told
        f"die_{CIRCUIT}.measure",
        f"die_{CIRCUIT}.feedback",
        f"die_after_{CIRCUIT}.feedback",  # between ticket and telling
        f"die_after_{LOOP}.feedback",
        f"die_{PYTHON}.propagate",
    ],
)
def test_killed(world: World, calm: dict[str, str], mark: str) -> None:
    before = deaths(world)
    world.mark(mark)
    path = world.document(DOCUMENT, mark.replace(".", "_"))
    report = world.run(path)
    check(world, path, report, calm)
    (interrupted,) = report["regenerations"]
    assert interrupted["reason"] == "killed by SIGKILL"
    assert interrupted["kernel"] in mark
    (timeline,) = came_back(world, before)
    assert {Stage.DETECT, Stage.FENCE, Stage.START, Stage.VERIFY} <= set(timeline.stages)
    assert timeline.problem is None


def test_a_register_comes_back_from_the_ring(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    world.mark(f"die_{CIRCUIT}.measure")
    path = world.document(DOCUMENT, "register")
    check(world, path, world.run(path), calm)
    (timeline,) = came_back(world, before)
    assert timeline.states >= 1
    assert timeline.state_bytes > 2**14 * 16
    assert {Stage.GATHER, Stage.REBUILD, Stage.DECRYPT} <= set(timeline.stages)


@pytest.mark.parametrize("lost", [("HEAD_2",), ("HEAD_1", "HEAD_3")])
def test_lost_share_stores(world: World, calm: dict[str, str], lost: tuple[str, ...]) -> None:
    """Stores go while the run holds a register in them, and its head dies before it measures."""
    before = deaths(world)
    path = world.document(DOCUMENT, "lost_" + "_".join(lost))
    world.mark(f"hold_{CIRCUIT}.measure")
    process = world.chimera("run", path, "--force", "--json")
    _, pid = world.busy(f"{CIRCUIT}.measure")
    for store in lost:
        shutil.rmtree(world.home / "ring" / store)
    os.kill(pid, signal.SIGKILL)
    check(world, path, finished(process), calm)
    (timeline,) = came_back(world, before)
    assert timeline.states >= 1


def test_shares_of_another_version(world: World, calm: dict[str, str]) -> None:
    """A later version of the program wrote into two stores; the other two serve."""
    before = deaths(world)
    path = world.document(DOCUMENT, "version")
    world.mark(f"hold_{CIRCUIT}.measure")
    process = world.chimera("run", path, "--force", "--json")
    _, pid = world.busy(f"{CIRCUIT}.measure")
    for store in ("HEAD_2", "HEAD_4"):
        for slot in (world.home / "ring" / store / "state").rglob("*.state"):
            with slot.open("r+b") as file:
                file.seek(8)
                file.write(b"\x00\x09")
    os.kill(pid, signal.SIGKILL)
    check(world, path, finished(process), calm)
    (timeline,) = came_back(world, before)
    assert timeline.states >= 1


@pytest.mark.slow
def test_stores_that_take_nothing(tmp_path: Path) -> None:
    """One costs a share of everything, also when a head dies; two are a coded failure."""
    with warm(tmp_path, start=ALL[:1]) as world:
        world.mark("full_HEAD_2")
        world.mark(f"die_{CIRCUIT}.measure")
        pinned = DOCUMENT.replace("head: [qiskit]", "head: [HEAD_1]")
        report = world.run(world.document(pinned, "three"))
        assert report["status"] == "ok"
        assert len(report["regenerations"]) == 1
        assert all(kernel["checkpoint"]["shares"] == 3 for kernel in report["kernels"])
        (timeline,) = came_back(world, 0)
        assert timeline.states >= 1
        assert {event.head for event in world.events("share")} == {"HEAD_2"}

        shutil.rmtree(world.home / "ring" / "HEAD_3")
        (world.home / "ring" / "HEAD_3").write_text("no folder")
        report = world.run(world.document(pinned, "two"), code=2)
        codes = {k["error"]["code"] for k in report["kernels"] if k["status"] == "failed"}
        assert codes <= {"CHIM506", "CHIM507"}
        assert codes
        assert len(world.events("regeneration")) == 1, "no head dies of it"


LARGE = """
```qiskit {#large}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit(32)
    for q in range(32):
        qc.ry(0.1 * (q + 1), q)
        qc.t(q)
    for q in range(31):
        qc.cx(q, q + 1)
    qc.ry(0.3, range(32))
    return qc


def observable():
    return {"Z" * 32: 1.0}
```
"""


def test_a_register_larger_than_memory(world: World) -> None:
    """The kernel fails with the bytes needed and free; its head is as it was."""
    before = deaths(world)
    front, _, code = DOCUMENT.partition("## Dependencies")
    assert code
    large = "large: {head: [HEAD_1], backend: {method: statevector}}"
    text = f"{front}## Dependencies\n```yaml\nkernels:\n  {large}\n```\n"
    path = world.document(text + "\n## Code_Blocks" + LARGE, "large")
    report = world.run(path, code=1)
    (kernel,) = report["kernels"]
    assert kernel["error"]["code"] == "MAML413"
    assert world.tickets(path) == [("large", "failed")]
    assert deaths(world) == before


def test_three_lost_stores_cost_a_phase_and_not_the_run(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    path = world.document(DOCUMENT, "lost_three")
    world.mark(f"hold_{CIRCUIT}.measure")
    process = world.chimera("run", path, "--force", "--json")
    _, pid = world.busy(f"{CIRCUIT}.measure")
    for store in ALL[:3]:
        shutil.rmtree(world.home / "ring" / store)
    os.kill(pid, signal.SIGKILL)
    check(world, path, finished(process), calm)
    (timeline,) = came_back(world, before)
    assert timeline.states == 0


def test_stopped_and_woken_up(world: World, calm: dict[str, str]) -> None:
    path = world.document(DOCUMENT, "stopped")
    world.mark(f"hold_{CIRCUIT}.feedback")
    process = world.chimera("run", path, "--force", "--json")
    before = deaths(world)
    head, pid = world.busy(f"{CIRCUIT}.feedback")
    os.kill(pid, signal.SIGSTOP)
    report = finished(process)
    assert not running({pid}), "it is dead and reaped, so that nothing can wake it up"
    check(world, path, report, calm)
    (timeline,) = came_back(world, before)
    assert (timeline.head, timeline.reason) == (head, "stopped (SIGSTOP)")


def test_a_lost_device(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    world.mark(f"lose_device_{QUANTUM[0]}")
    world.mark(f"lose_device_{QUANTUM[1]}")
    path = world.document(DOCUMENT, "device")
    check(world, path, world.run(path), calm)
    assert {t.reason for t in came_back(world, before)} == {"its device was lost"}


def test_a_corrupted_reply(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    for head in QUANTUM:
        world.mark(f"corrupt_{head}")
    path = world.document(DOCUMENT, "corrupted")
    check(world, path, world.run(path), calm)
    reasons = {timeline.reason for timeline in came_back(world, before)}
    assert all(reason.startswith("fault: CHIM713") for reason in reasons), reasons


def test_a_wrong_signature(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    for head in QUANTUM:
        world.mark(f"missign_{head}")
    path = world.document(DOCUMENT, "signature")
    check(world, path, world.run(path), calm)
    reasons = {timeline.reason for timeline in came_back(world, before)}
    assert reasons == {"fault: it signed a ticket that does not verify"}


MEMORY = Path("/sys/fs/cgroup/memory")


def removed(group: Path) -> bool:
    """Whether the group is gone, with those of sessions whose head was killed in it."""
    if (group / "cgroup.procs").read_text():
        return False
    try:
        for folder in (*group.glob("chimera-*-*"), group):
            folder.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def test_ended_for_want_of_memory(world: World, calm: dict[str, str]) -> None:
    before = deaths(world)
    path = world.document(DOCUMENT.replace("head: [qiskit]", "head: [HEAD_1]"), "memory")
    pid = world.entry("HEAD_1").pid
    group = MEMORY / f"chimera-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(1 << 30))
        (group / "memory.swappiness").write_text("0")
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"no memory control group can be made here: {error}")
    try:
        world.mark(f"eat_{CIRCUIT}.propagate")
        check(world, path, world.run(path), calm)
        (timeline,) = came_back(world, before)
        assert timeline.head == "HEAD_1"
        assert "want of memory" in timeline.reason
    finally:
        until("a group that can be removed", lambda: removed(group))


def test_history_shows_stages_and_the_resumption(world: World, calm: dict[str, str]) -> None:
    """Only one head of the kind is there, so that the step goes on where it was interrupted."""
    pinned = DOCUMENT.replace("head: [qiskit]", "head: [HEAD_1]")
    world.mark(f"die_{CIRCUIT}.measure")
    report = world.run(world.document(pinned, "pinned"))
    assert report["status"] == "ok"
    (interrupted,) = report["regenerations"]
    timeline = Timeline.from_json(interrupted["timeline"])
    assert Stage.RESUME in timeline.stages
    rows = world.call("heads", "history", "HEAD_1")["events"]
    resumed = until(
        "the resumption", lambda: [e for e in world.events("resume") if e.head == "HEAD_1"]
    )[-1]
    assert resumed.incarnation == timeline.new
    regenerated = next(row for row in rows if row["event"] == "regeneration")
    names = [stage["stage"] for stage in regenerated["stages"]]
    assert names[:3] == ["detect", "fence", "start"]
    assert names[-1] == "verify"


def test_a_head_whose_tickets_were_touched_stays_out_of_service(
    world: World, calm: dict[str, str]
) -> None:
    """Its work goes to the other head of its kind; it is back when the document is put right."""
    pinned = world.document(DOCUMENT.replace("head: [qiskit]", "head: [HEAD_2]"), "touched")
    world.run(pinned)
    good = pinned.read_bytes()
    pinned.write_bytes(good.replace(b" cuda_ns=- ", b" cuda_ns=5 "))
    error = world.call("heads", "restart", "HEAD_2", code=6)["error"]
    assert error["code"] == "CHIM740"
    assert "touched.maml.md" in error["message"]
    path = world.document(DOCUMENT, "other_head")
    report = world.run(path)
    check(world, path, report, calm)
    quantum = {k["head"] for k in report["kernels"] if k["name"] in (CIRCUIT, LOOP)}
    assert quantum == {"HEAD_1"}
    pinned.write_bytes(good)
    world.call("heads", "restart", "HEAD_2", "--recompute")
    assert world.entry("HEAD_2").problem is None
    timeline = Timeline.from_json(world.events("regeneration")[-1].detail)
    assert timeline.recomputed >= 1
    assert timeline.recomputed <= timeline.tickets


def test_a_dead_agent(tmp_path: Path) -> None:
    """All heads die with it; the run starts an agent of its own and goes on."""
    with warm(tmp_path, start=ALL) as world:
        calm = outputs(world.run(world.document(DOCUMENT, "calm")))
        path = world.document(DOCUMENT, "agent")
        world.mark(f"hold_{CIRCUIT}.measure")
        process = world.chimera("run", path, "--force", "--json")
        world.busy(f"{CIRCUIT}.measure")
        state = json.loads((world.heads / "state.json").read_bytes())
        world.pids |= {entry["pid"] for entry in state["heads"].values() if entry["pid"]}
        os.kill(state["pid"], signal.SIGKILL)
        report = finished(process)
        # Heads of the run's own agent have no faults in them and tell nothing.
        check(world, path, report, calm, seen=operator.le)
        assert {one["reason"] for one in report["regenerations"]} == {"its agent is gone"}
        assert list(world.heads.glob("own-*")) == []
