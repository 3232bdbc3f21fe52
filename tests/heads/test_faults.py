"""Faults of one head, on a real agent: each is noticed, fenced, and followed by a new incarnation.

Runs that go on through such faults are in tests/e2e/test_regeneration.py.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.heads.liveness import HANG_S
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.heads.wire import Connection
from tests.heads.agents import TestAgent, running, until


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "rebirths"


def timelines(notes: Path) -> list[Timeline]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [Timeline.from_json(json.loads(line)) for line in lines]


def of(notes: Path, incarnation: int) -> Timeline:
    """The timeline of an incarnation, once it is written down."""

    def written() -> Timeline | None:
        return next((t for t in timelines(notes) if t.new == incarnation), None)

    found = until(f"a timeline of {incarnation}", written)
    assert isinstance(found, Timeline)
    return found


@pytest.fixture
def agent(tmp_path: Path, notes: Path) -> Iterator[TestAgent]:
    with running(tmp_path / "heads", regeneration="Quiet", env={"REBIRTHS": str(notes)}) as found:
        yield found


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def hang_up(connection: Connection) -> None:
    """Hear what a head says until it says no more."""
    with suppress(EOFError, OSError):
        while True:
            connection.receive()


def dies_of(agent: TestAgent, notes: Path, *step: Any) -> Timeline:
    """Start HEAD_1, have it do something deadly, and give the timeline of what came after."""
    first = agent.start("HEAD_1")
    with agent.work("HEAD_1", ["deadly", *step]) as connection:
        hang_up(connection)
    second = agent.up("HEAD_1", after=first.incarnation)
    assert first.pid is not None
    assert gone(first.pid)
    found = of(notes, second.incarnation)
    assert found.old == first.incarnation
    return found


def test_kill_9(agent: TestAgent, notes: Path) -> None:
    found = dies_of(agent, notes, "kill", 9)
    assert found.reason == "killed by SIGKILL"
    assert {Stage.DETECT, Stage.FENCE, Stage.START, Stage.VERIFY} <= set(found.stages)
    assert found.tickets == 3


def test_a_first_start_is_recorded_too(agent: TestAgent, notes: Path) -> None:
    first = agent.start("HEAD_1")
    assert of(notes, first.incarnation).reason == "started"


def test_a_crash_in_c(agent: TestAgent, notes: Path) -> None:
    assert dies_of(agent, notes, "kill", int(signal.SIGSEGV)).reason == "killed by SIGSEGV"


def test_a_device_that_takes_no_more_work(agent: TestAgent, notes: Path) -> None:
    found = dies_of(agent, notes, "lose_device", "CUDA error: an illegal memory access")
    assert found.reason == "its device was lost"


def test_the_client_is_told_why_before_a_lost_device_ends_the_head(agent: TestAgent) -> None:
    agent.start("HEAD_1")
    with agent.work("HEAD_1", ["k.propagate", "lose_device", "CUDA error: gone"]) as connection:
        frames = [connection.receive().frame for _ in range(2)]
    assert [frame["is"] for frame in frames] == ["start", "rest"]
    assert frames[1]["failed"] == "k.propagate"
    assert frames[1]["error"]["code"] == "CHIM715"


def test_a_stopped_head_is_killed_and_can_never_wake_up(agent: TestAgent, notes: Path) -> None:
    first = agent.start("HEAD_1")
    assert first.pid is not None
    with agent.work("HEAD_1", ["slow", "sleep", 60]) as connection:
        connection.receive()
        os.kill(first.pid, signal.SIGSTOP)
        second = agent.up("HEAD_1", after=first.incarnation)
    assert gone(first.pid), "it was reaped before its successor was forked"
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, signal.SIGCONT)
    assert of(notes, second.incarnation).reason == "stopped (SIGSTOP)"


@pytest.mark.slow
def test_a_head_that_hangs(agent: TestAgent, notes: Path) -> None:
    found = dies_of(agent, notes, "hang", 120)
    assert found.reason.startswith("no sign of life for 1")
    assert found.stages[Stage.DETECT] >= HANG_S


def test_a_reported_fault_ends_the_incarnation_that_it_is_of_and_no_later_one(
    agent: TestAgent, notes: Path
) -> None:
    first = agent.start("HEAD_1")
    reason = "frame 3: wrong MAC"
    for _ in range(2):  # two clients may see the same fault
        agent.ask("fault", head="HEAD_1", incarnation=first.incarnation, reason=reason)
    second = agent.up("HEAD_1", after=first.incarnation)
    agent.ask("fault", head="HEAD_1", incarnation=first.incarnation, reason=reason)
    assert agent.up("HEAD_1").incarnation == second.incarnation
    assert of(notes, second.incarnation).reason == f"fault: {reason}"


def test_watchers_are_told_how_a_head_came_back(agent: TestAgent) -> None:
    first = agent.start("HEAD_1")
    with agent.head("HEAD_1") as connection:
        connection.send({"do": "watch"})
        assert connection.receive().frame["is"] == "idle"
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    agent.up("HEAD_1", after=first.incarnation)
    with agent.head("HEAD_1") as connection:
        connection.send({"do": "watch"})
        assert connection.receive().frame["is"] == "idle"
        told = connection.receive().frame
        assert told["is"] == "regenerated"
        assert Timeline.from_json(told["timeline"]).old == first.incarnation


def test_a_restart_may_ask_for_kernels_to_run_again(agent: TestAgent, notes: Path) -> None:
    first = agent.start("HEAD_1")
    agent.ask("restart", head="HEAD_1", reason="asked", recompute=True)
    second = agent.up("HEAD_1", after=first.incarnation)
    found = of(notes, second.incarnation)
    assert (found.reason, found.recomputed) == ("restart: asked", 3)
    agent.ask("restart", head="HEAD_1", reason="asked")
    third = agent.up("HEAD_1", after=second.incarnation)
    assert of(notes, third.incarnation).recomputed == 0


def test_a_head_whose_tickets_do_not_verify_stays_out_of_service(
    tmp_path: Path, notes: Path
) -> None:
    env = {"REBIRTHS": str(notes)}
    with running(tmp_path / "heads", regeneration="Distrusted", env=env) as agent:
        first = agent.start("HEAD_1")
        notes.with_suffix(".bad").touch()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        entry = until("a problem", lambda: e if (e := agent.entry("HEAD_1")).problem else None)
        assert entry.problem == "CHIM740 HEAD_1 stays out of service: ticket 7"
        assert (entry.state, entry.pid) == ("down", None)
        recorded = of(notes, entry.incarnation)
        assert recorded.problem is not None
        assert recorded.problem["code"] == "CHIM740"
        assert agent.start("HEAD_2").state == "idle", "the others work"
        notes.with_suffix(".bad").unlink()
        agent.ask("restart", head="HEAD_1", reason="the document was restored")
        third = agent.up("HEAD_1", after=entry.incarnation)
        assert of(notes, third.incarnation).problem is None


def test_states_that_cannot_be_read_cost_no_head(tmp_path: Path, notes: Path) -> None:
    env = {"REBIRTHS": str(notes)}
    with running(tmp_path / "heads", regeneration="Broken", env=env) as agent:
        first = agent.start("HEAD_1")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        agent.up("HEAD_1", after=first.incarnation)


def test_a_head_that_dies_while_it_comes_back_is_tried_again(tmp_path: Path, notes: Path) -> None:
    env = {"REBIRTHS": str(notes)}
    with running(tmp_path / "heads", regeneration="Fatal", env=env) as agent:
        first = agent.start("HEAD_1")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        third = agent.up("HEAD_1", after=first.incarnation)
        assert third.incarnation == first.incarnation + 3


def test_heads_die_with_their_agent(tmp_path: Path) -> None:
    with running(tmp_path / "heads") as agent:
        pids = [agent.start(head).pid for head in ("HEAD_1", "HEAD_3")]
        agent.process.kill()
        for pid in pids:
            assert pid is not None
            until(f"the end of {pid}", lambda pid=pid: gone(pid), seconds=10)
    with running(tmp_path / "heads") as agent:
        assert agent.start("HEAD_1").incarnation == 2, "numbers go on across agents"


MEMORY = Path("/sys/fs/cgroup/memory")


def test_a_head_that_the_kernel_ends_for_want_of_memory(agent: TestAgent, notes: Path) -> None:
    first = agent.start("HEAD_1")
    assert first.pid is not None
    group = MEMORY / f"chimera-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(192 << 20))
        (group / "memory.swappiness").write_text("0")
        (group / "cgroup.procs").write_text(str(first.pid))
    except OSError as error:
        pytest.skip(f"no memory control group can be made here: {error}")
    try:
        with agent.work("HEAD_1", ["large", "allocate", 1 << 30]) as connection:
            hang_up(connection)
        second = agent.up("HEAD_1", after=first.incarnation)
        assert "want of memory" in of(notes, second.incarnation).reason
    finally:
        until("an empty group", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
