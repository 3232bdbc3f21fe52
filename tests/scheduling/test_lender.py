"""Which AI head is asked, started, or done without; the agent is the test's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.local import build_head
from chimera_pipelines.heads.performer import HeadContext
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.heads.state import KINDS, HeadEntry, State
from chimera_pipelines.lifecycle.lending import Wish
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox.tiers import Tier
from chimera_pipelines.scheduling import lender
from chimera_pipelines.scheduling.lender import AgentLender, choose
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import NoHeadError
from tests.lifecycle.conftest import compiled, home, services
from tests.lifecycle.test_learning_calls import loop
from tests.scheduling.stage import router

__all__ = ["compiled", "home", "services"]
Compiler = Callable[..., Plan]
AI = ("HEAD_3", "HEAD_4")
POOR = [Reputation(head, 1.0, 20.0, streak=9) for head in AI]


def entry(head: str, number: int = 1, **changes: Any) -> HeadEntry:
    up = HeadEntry(KINDS[head], "cpu", f"unix:{head}.sock", 1, 1, number, "idle")
    return replace(up, **changes)


def down(head: str, **changes: Any) -> HeadEntry:
    return HeadEntry(KINDS[head], "cpu", **changes)


class Agent:
    """What a lender sees of the agent: heads that come up when they were asked for so often."""

    def __init__(self, **heads: HeadEntry) -> None:
        self.heads = {"HEAD_1": entry("HEAD_1"), **heads}
        self.busy: set[str] = set()
        self.started: list[str] = []
        self.refusing: list[str] = []
        self.looks = 0

    def read(self) -> State:
        self.looks += 1
        if self.started and self.looks > 4:
            self.heads[self.started[-1]] = entry(self.started[-1])
        return State("agent", 1, 1, b"s" * 32, {}, "", dict(self.heads))

    def ask(self, _: Any, frame: dict[str, Any]) -> dict[str, Any]:
        if frame["do"] == "start":
            self.started.append(frame["head"])
            return {"is": "ok"}
        return {"heads": {head: {"beat": {"busy": head in self.busy}} for head in self.heads}}

    def at(self, _: Path, head: str, state: State) -> str:
        if head in self.refusing:
            self.refusing.remove(head)
            raise HeadUnavailableError("CHIM714", "it hung up")
        return f"{head}.{state.heads[head].incarnation}"


@pytest.fixture
def wish(compiled: Compiler) -> Wish:
    left = iter([9.0] * 20)
    spec = SessionSpec(Tier.LANDLOCK, ("torch",), 5.0)
    return Wish("run", compiled(loop()).kernels[0], spec, (), lambda: next(left, 0.0))


@pytest.fixture
def lent(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str | None]:
    """Ask for a session; the head, or None."""

    def lend(agent: Agent, wish: Wish) -> str | None:
        local = build_head("HEAD_1", "cpu", memory_bytes=1 << 20, incarnation=1)
        here = HeadContext("HEAD_1", "quantum", "cpu", 1, "agent", tmp_path, local)
        made = AgentLender(here, services.settings)
        monkeypatch.setattr(made._directory, "read", agent.read)
        monkeypatch.setattr(lender, "ask", agent.ask)
        monkeypatch.setattr(lender, "_LOOK_S", 0.0)
        monkeypatch.setattr(RemoteHead, "at", agent.at)
        found = made.lend(wish)
        return None if found is None else found.head

    return lend


def test_one_that_runs_and_is_idle_is_taken(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"), HEAD_4=entry("HEAD_4"))
    agent.busy = {"HEAD_4"}
    assert lent(agent, wish) == "HEAD_3"
    assert agent.started == []


def test_one_that_works_serves_where_none_is_idle(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"), HEAD_4=entry("HEAD_4"))
    agent.busy = {*AI}
    assert lent(agent, wish) in AI


def test_one_is_started_and_waited_for(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=down("HEAD_3"), HEAD_4=down("HEAD_4"))
    head = lent(agent, wish)
    assert agent.started == [head]


def test_one_that_comes_back_is_waited_for(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"), HEAD_4=down("HEAD_4", problem="CHIM716 it ended"))
    agent.refusing = ["HEAD_3", "HEAD_3"]
    assert lent(agent, wish) == "HEAD_3"
    assert agent.started == []


def test_the_lost_one_is_avoided(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"), HEAD_4=down("HEAD_4"))
    assert lent(agent, replace(wish, avoid=("HEAD_3",))) == "HEAD_4"


def test_no_ai_head_is_no_error(lent: Callable[..., Any], wish: Wish) -> None:
    gone = {head: down(head, problem="CHIM716 it ended") for head in AI}
    assert lent(Agent(**gone), wish) is None


def test_a_machine_of_a_cluster_starts_no_head_that_it_was_not_given(
    lent: Callable[..., Any], wish: Wish
) -> None:
    agent = Agent(HEAD_3=down("HEAD_3"), HEAD_4=down("HEAD_4"))
    agent.heads["HEAD_1"] = entry("HEAD_1", address="tcp:10.0.0.1:1")
    assert lent(agent, wish) is None
    agent.heads["HEAD_4"] = entry("HEAD_4", address="tcp:10.0.0.1:2")
    assert lent(agent, wish) == "HEAD_4"
    assert agent.started == []


def test_without_a_sandbox_the_block_stays(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"), HEAD_4=entry("HEAD_4"))
    assert lent(agent, replace(wish, spec=SessionSpec(Tier.PROCESS, (), 5.0))) is None


def test_nobody_answers_while_there_is_time(lent: Callable[..., Any], wish: Wish) -> None:
    agent = Agent(HEAD_3=entry("HEAD_3"))
    agent.refusing = ["HEAD_3"] * 50
    with pytest.raises(HeadUnavailableError, match="CHIM714 HEAD_3 did not answer"):
        lent(agent, wish)


def test_draws_follow_the_router(wish: Wish) -> None:
    both = {head: entry(head) for head in AI}
    good = Reputation("HEAD_4", 400.0, 1.0)
    assert choose(router(POOR[0], good), wish, both, set()) == "HEAD_4"
    assert choose(router(*POOR), wish, both, set()) in AI, "poor ones are better than none"
    idle_and_poor = choose(router(POOR[0], good), wish, both, {"HEAD_4"})
    assert idle_and_poor == "HEAD_4", "a good one that works before a poor one that does not"


def test_a_critical_kernel_learns_on_trusted_heads_alone(wish: Wish) -> None:
    options = {**wish.kernel.options, "critical": True}
    critical = replace(wish, kernel=replace(wish.kernel, options=options))
    with pytest.raises(NoHeadError, match="CHIM731"):
        choose(router(*POOR), critical, {head: entry(head) for head in AI}, set())
