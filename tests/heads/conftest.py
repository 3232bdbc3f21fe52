"""Warm heads, a fleet over them, and what it is told."""

from __future__ import annotations

import threading

import pytest

from chimera_pipelines.heads.attach import AgentHandle
from chimera_pipelines.heads.fleet import Fleet
from tests.heads.agents import running
from tests.heads.fleets import Notes


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def warm(tmp_path):
    with running(tmp_path / "heads") as agent:
        yield agent


@pytest.fixture
def fleet(warm, notes):
    fleet = Fleet(AgentHandle(warm.folder, own=False), events=notes)
    yield fleet
    fleet.close()
    assert [t for t in threading.enumerate() if t.name.startswith("fleet-")] == []
