from __future__ import annotations

from contextlib import contextmanager

import pytest

from chimera_pipelines.cli import warm_heads
from chimera_pipelines.errors import UsageError
from chimera_pipelines.heads import warm
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import KINDS
from tests.heads.agents import ROOT, until

real_beside = warm.beside


@pytest.fixture(autouse=True)
def heads(monkeypatch):
    """What heads were started with, none of which are."""
    asked = []

    @contextmanager
    def beside(recipe):
        asked.append(recipe)
        yield True
        asked.append(None)

    monkeypatch.setattr(warm, "beside", beside)
    return asked


def test_serves_and_passes_the_exit_code_on(chimera, monkeypatch, heads):
    from chimera_pipelines.defs import dev as server

    asked = []

    def serve(**given):
        asked.append(given)
        assert len(heads) == 1, "they are up for as long as it serves"
        return 3

    monkeypatch.setattr(server, "serve", serve)
    called = chimera("dev", "--port", "3001", "--json")
    assert called.code == 3
    assert asked == [{"host": "127.0.0.1", "port": 3001}]
    assert called.json == {"schema": "chimera.dev/1", "host": "127.0.0.1", "port": 3001, "exit": 3}
    assert "http://127.0.0.1:3001" in called.err
    assert "dagster" in heads[0].performers
    assert heads[1:] == [None]


def test_no_heads_where_kernels_run_in_the_process_of_the_run(chimera, monkeypatch, heads):
    from chimera_pipelines.defs import dev as server

    monkeypatch.setenv("CHIMERA_HEADS", "in_process")
    monkeypatch.setattr(server, "serve", lambda **_: 0)
    assert chimera("dev", "--port", "3001").code == 0
    assert heads == []


@pytest.fixture
def light(home, monkeypatch):
    """Real heads that import next to nothing."""
    performers = {"toy": "tests.heads.toys:Toy"}
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(warm_heads, "recipe", lambda settings, **_: Recipe(settings, performers))
    monkeypatch.setattr(warm, "beside", real_beside)
    return HeadsDirectory(home / "heads")


def test_heads_are_up_for_as_long_as_it_serves(chimera, monkeypatch, light):
    from chimera_pipelines.defs import dev as server

    seen = []

    def serve(**_):
        seen.append(until("heads", lambda: _all_idle(light)))
        return 0

    monkeypatch.setattr(server, "serve", serve)
    called = chimera("dev", "--port", "3001")
    assert called.code == 0
    assert "heads: starting" in called.err
    assert set(seen[0].heads) == set(KINDS)
    assert not light.held()
    assert light.log.exists(), "the folder is not theirs alone"
    assert light.incarnations() == dict.fromkeys(KINDS, 1)


def _all_idle(place):
    state = place.read()
    if state is None or {entry.state for entry in state.heads.values()} != {"idle"}:
        return None
    return state


def test_heads_that_are_up_are_used_and_stay(chimera, monkeypatch, light):
    from chimera_pipelines.defs import dev as server

    monkeypatch.setattr(server, "serve", lambda **_: 0)
    assert chimera("heads", "up").code == 0
    try:
        before = light.read()
        called = chimera("dev", "--port", "3001")
        assert called.code == 0
        assert "heads: those that are up" in called.err
        assert light.read() == before
    finally:
        assert chimera("heads", "down").code == 0
    assert not light.held()


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_no_project_is_usage(chimera, monkeypatch, flags):
    from chimera_pipelines.defs import dev as server

    def nowhere(**_):
        raise UsageError("CHIM609", "no dagster.yaml")

    monkeypatch.setattr(server, "serve", nowhere)
    called = chimera("dev", *flags)
    assert called.code == 2
    assert "CHIM609" in called.err
