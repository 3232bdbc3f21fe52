"""An actor whose agent does not answer; actors themselves are in test_placement.py."""

from __future__ import annotations

import os
import signal

import pytest

from chimera_pipelines.heads import node_agent
from chimera_pipelines.heads.attach import AgentHandle
from chimera_pipelines.heads.node_agent import NodeAgent
from tests.heads.agents import running, until


@pytest.fixture
def agent(tmp_path):
    with running(tmp_path / "heads") as agent:
        yield agent


@pytest.fixture
def actor(agent):
    found = NodeAgent("", 0, ["HEAD_1", "HEAD_3"])
    found._running = node_agent._Running(AgentHandle(agent.folder, own=False), found._heads)
    return found


def test_a_request_is_handed_on(agent, actor):
    actor.request({"do": "start", "head": "HEAD_3"})
    told = until("it", lambda: _idle(actor.watch(None), "HEAD_3"))
    assert set(told["heads"]) == {"HEAD_1", "HEAD_3"}
    assert told["dropped"] == []
    assert agent.entry("HEAD_3").incarnation == 1


def _idle(told, head):
    return told if told["heads"][head]["entry"]["state"] == "idle" else None


def test_a_request_that_a_stopped_agent_does_not_take_is_told_once(agent, actor, monkeypatch):
    until("a state", lambda: "heads" in actor.watch(None))
    monkeypatch.setattr(node_agent, "_ANSWER_S", 0.2)
    os.kill(agent.process.pid, signal.SIGSTOP)
    try:
        actor.request({"do": "restart", "head": "HEAD_1", "reason": "a test"})
        (dropped,) = actor.watch(None)["dropped"]
        assert "restart HEAD_1" in dropped
        assert "TimeoutError" in dropped
        assert actor.watch(None)["dropped"] == []
    finally:
        os.kill(agent.process.pid, signal.SIGCONT)
