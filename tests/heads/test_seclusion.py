"""What processes of an agent keep to themselves, and what they inherit that could harm them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chimera_pipelines.heads import warm
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.settings import Settings
from tests.heads.agents import ROOT, running, until

IGNORING = (
    "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def agent(tmp_path):
    with running(tmp_path / "heads") as agent:
        yield agent


def test_no_core_file_of_agent_or_head_may_hold_secret_and_keys(agent):
    head = agent.start("HEAD_1")
    for pid in (agent.process.pid, head.pid):
        assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == 0


def test_a_head_has_nothing_of_the_agent_or_of_other_heads(agent):
    """Two sockets: the one it listens on and the one it beats on; no lock, selector or handle."""
    with agent.connect() as watching:
        watching.send({"do": "watch"})
        watching.receive()
        agent.start("HEAD_1")
        second = agent.start("HEAD_2")
        links = [str(path.readlink()) for path in Path(f"/proc/{second.pid}/fd").iterdir()]
        kinds = Counter(link.partition(":")[0] for link in links)
        assert kinds["socket"] == 2, links
        assert "anon_inode" not in kinds, links
        assert not [link for link in links if link.startswith(f"{agent.folder}/")], links


def test_the_secret_is_in_no_environment_and_no_command_line(agent):
    secret = agent.state.secret.hex().encode()
    head = agent.start("HEAD_1")
    for pid in (agent.process.pid, head.pid):
        for name in ("environ", "cmdline"):
            assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_a_recipe_shows_no_password():
    settings = Settings(ledger_url="postgresql://ana:hidden@db/ledger")
    assert "hidden" not in repr(Recipe(settings, {}))


def test_an_agent_started_by_who_ignores_its_children_replaces_heads_all_the_same(tmp_path):
    """With SIGCHLD ignored, as by some supervisors, the kernel would reap heads unseen."""
    folder = tmp_path / "heads"
    words = [sys.executable, "-m", "chimera_pipelines.heads", str(folder)]
    process = subprocess.Popen([sys.executable, "-c", IGNORING, *words], cwd=ROOT)
    try:
        place = HeadsDirectory(folder)
        until("the agent", lambda: process.poll() is None and place.read())

        def idle(after):
            state = place.read()
            assert state is not None
            entry = state.heads["HEAD_1"]
            return entry if entry.incarnation > after and entry.state == "idle" else None

        warm.ask(place, {"do": "start", "head": "HEAD_1"})
        first = until("a head", lambda: idle(0))
        os.kill(first.pid, signal.SIGKILL)
        assert until("the next", lambda: idle(1)).incarnation == 2
        warm.ask(place, {"do": "stop"})
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_a_long_reason_is_cut_and_stays_on_one_line(agent):
    agent.start("HEAD_1")
    reason = "because\n2026-01-01 ERROR forged " + "x" * 100_000
    agent.ask("fault", head="HEAD_1", incarnation=1, reason=reason)
    before = agent.up("HEAD_1", after=1).before
    assert before is not None
    assert len(before.reason) < 400
    assert "\n" not in before.reason
    assert "\n2026-01-01 ERROR forged" not in agent.log.read_text()
