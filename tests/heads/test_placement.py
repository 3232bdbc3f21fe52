"""Placing with a Ray that only remembers, and then with real ones."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import nodes, placement
from chimera_pipelines.heads.channel import Channel
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.nodes import ORDER, claim
from chimera_pipelines.settings import settings

HEADS = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        (1, [HEADS]),
        (2, [("HEAD_1", "HEAD_3"), ("HEAD_2", "HEAD_4")]),
        (3, [("HEAD_1", "HEAD_4"), ("HEAD_2",), ("HEAD_3",)]),
        (4, [("HEAD_1",), ("HEAD_2",), ("HEAD_3",), ("HEAD_4",)]),
        (9, [("HEAD_1",), ("HEAD_2",), ("HEAD_3",), ("HEAD_4",)]),
    ],
)
def test_heads_of_one_kind_go_apart(nodes: int, wanted: list[tuple[str, ...]]) -> None:
    assert placement.groups(HEADS, nodes) == wanted


def _node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


def test_machines_that_have_what_is_asked_for_are_chosen() -> None:
    nodes = [
        _node("b", CPU=1),
        _node("a", CPU=1, GPU=1),
        _node("c", CPU=1, alive=False),
        _node("d"),
    ]
    assert placement.choose(nodes, 0.0) == ["a", "b"]
    assert placement.choose(nodes, 1.0) == ["a"]
    with pytest.raises(HeadUnavailableError, match="2 GPU") as caught:
        placement.choose(nodes, 2.0)
    assert caught.value.code == "CHIM757"
    many = [_node(f"n{n}", CPU=1) for n in range(6)]
    assert len(placement.choose(many, 0.0)) == placement.MOST_NODES


class Unreachable(Exception):  # noqa: N818 - stands for `ray.exceptions.RayError`
    """What a call of a lost actor raises."""


class Actor:
    """Answers `watch` with what a test says, and remembers what it was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.says: Callable[[int | None], dict[str, Any]] = self._nothing
        self.asked: list[dict[str, Any]] = []
        self.killed: list[bool] = []
        self.stopped = 0
        self.watch = SimpleNamespace(remote=lambda version: lambda: self.says(version))
        self.request = SimpleNamespace(remote=self.asked.append)
        self.stop = SimpleNamespace(remote=self._stop)

    @staticmethod
    def _nothing(_: int | None) -> dict[str, Any]:
        time.sleep(0.01)
        raise Unreachable

    def _stop(self) -> None:
        self.stopped += 1


class Ray:
    """Two machines."""

    exceptions = SimpleNamespace(RayError=Unreachable)

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.options: list[dict[str, Any]] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [_node("aa" * 28, CPU=1), _node("bb" * 28, CPU=1)]

    def remote(self, _: type) -> Any:
        def options(**given: Any) -> Any:
            self.options.append(given)
            return SimpleNamespace(remote=self._make)

        return SimpleNamespace(options=options)

    def _make(self, _folder: str, number: int, _heads: list[str]) -> Actor:
        self.actors.append(Actor(number))
        return self.actors[-1]

    def get(self, call: Callable[[], Any], *, timeout: float) -> Any:
        return call()

    def wait(self, calls: list[Any], **_: Any) -> None:
        pass

    def kill(self, actor: Actor, *, no_restart: bool = True) -> None:
        actor.killed.append(no_restart)


class Placed:
    """A placement on `Ray`, and the agent's end of its channel."""

    def __init__(self, folder: Path) -> None:
        self.nodes = folder / "nodes" / "a1"
        self.ray = Ray()
        self.agent, theirs = Channel.pair()
        self.agent.settimeout(30)
        order = {
            "folder": str(folder),
            "agent": "a1",
            "gpus": 0.0,
            "secret": "5e",
            "performers": {"toy": "tests.heads.toys:Toy"},
            "preload": [],
        }
        self.placement = placement.Placement(theirs, order, self.ray)
        self.thread = threading.Thread(target=self.placement.run)
        self.thread.start()

    def hear(self, what: str) -> dict[str, Any]:
        """The next message of a kind."""
        while (message := self.agent.receive()) is not None:
            if message["is"] == what:
                return message
        raise AssertionError(f"no message '{what}'")

    def runs(self, number: int) -> Path:
        """An agent of a slot answers from now on; its folder."""
        folder, _ = claim(self.nodes, number)
        entry = {"entry": {"n": number}, "beat": {}}

        def says(version: int | None) -> dict[str, Any]:
            if version is not None:
                time.sleep(0.01)
            return {"folder": str(folder), "version": 1, "heads": {"HEAD_1": entry}}

        self.ray.actors[number].says = says
        return folder


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Placed]:
    pytest.importorskip("ray")
    monkeypatch.setenv("CHIMERA_HOME", str(tmp_path))
    monkeypatch.setenv("CHIMERA_LEDGER_URL", "postgresql+psycopg2://ana:hidden@host/db")
    settings.cache_clear()
    directory = HeadsDirectory(tmp_path / "heads")
    directory.ensure()
    found = Placed(directory.path)
    yield found
    found.agent.close()
    found.thread.join(30)
    assert not found.thread.is_alive()
    settings.cache_clear()


def _eventually(check: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_machine_gets_an_actor_that_comes_back(placed: Placed) -> None:
    nodes = [options["scheduling_strategy"].node_id for options in placed.ray.options]
    assert nodes == ["aa" * 28, "bb" * 28]
    for options in placed.ray.options:
        assert options["scheduling_strategy"].soft
        assert (options["max_restarts"], options["max_task_retries"]) == (-1, 0)


def test_secrets_lie_in_a_file_for_us_alone(placed: Placed) -> None:
    file = placed.nodes / ORDER
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    order = json.loads(file.read_text())
    assert order["secret"] == "5e"
    assert order["settings"]["ledger_url"].endswith("hidden@host/db")


def test_a_lost_machine_is_fenced_before_it_is_told_and_heads_start_on_the_next(
    placed: Placed,
) -> None:
    placed.agent.send({"do": "start", "head": "HEAD_1"})
    first = placed.runs(0)
    assert placed.hear("heads")["heads"] == {"HEAD_1": {"entry": {"n": 0}, "beat": {}}}
    start = {"do": "start", "head": "HEAD_1"}
    _eventually(lambda: start in placed.ray.actors[0].asked)
    placed.ray.actors[0].says = Actor._nothing
    lost = placed.hear("lost")
    assert not first.exists()
    assert lost["heads"] == ["HEAD_1", "HEAD_3"]
    assert "does not answer" in lost["reason"]
    placed.ray.actors[0].asked.clear()
    second = placed.runs(0)
    placed.hear("heads")
    _eventually(lambda: placed.ray.actors[0].asked == [start])
    assert second.exists()


def test_a_machine_that_cannot_be_fenced_yet_is_not_told_lost_before_it_is(
    placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = placed.runs(0)
    placed.hear("heads")
    failures = iter([OSError(5, "the storage is away")])

    def fence(path: Path, *, silent_s: float) -> None:
        for error in failures:
            raise error
        nodes.fence(path, silent_s=silent_s)

    monkeypatch.setattr(placement, "fence", fence)
    placed.ray.actors[0].says = Actor._nothing
    placed.hear("lost")
    assert not folder.exists()


def test_a_machine_that_answers_again_after_it_was_fenced_is_started_anew(placed: Placed) -> None:
    placed.runs(1)
    placed.hear("heads")
    answers = placed.ray.actors[1].says
    placed.ray.actors[1].says = Actor._nothing
    placed.hear("lost")
    assert False not in placed.ray.actors[1].killed
    placed.ray.actors[1].says = answers
    _eventually(lambda: False in placed.ray.actors[1].killed)


def test_a_request_that_was_dropped_is_logged(
    placed: Placed, caplog: pytest.LogCaptureFixture
) -> None:
    placed.runs(0)
    answers = placed.ray.actors[0].says
    placed.ray.actors[0].says = lambda v: {**answers(v), "dropped": ["start HEAD_3: TimeoutError"]}
    _eventually(lambda: "start HEAD_3: TimeoutError" in caplog.text)
    assert "heads HEAD_1, HEAD_3: the agent there did not take" in caplog.text


def test_an_agent_that_does_not_start_is_told(placed: Placed) -> None:
    error = {"code": "CHIM718", "message": "cannot import 'x'", "hint": None, "where": None}
    placed.ray.actors[0].says = lambda _: {"error": error}
    told = placed.hear("error")
    assert (told["heads"], told["error"]["code"]) == (["HEAD_1", "HEAD_3"], "CHIM718")


def test_the_end_of_the_agent_ends_what_was_placed(placed: Placed) -> None:
    placed.agent.close()
    placed.thread.join(30)
    assert [actor.stopped for actor in placed.ray.actors] == [1, 1]
    assert [actor.killed for actor in placed.ray.actors] == [[True], [True]]
    assert not placed.nodes.parent.exists()
    placed.agent, _ = Channel.pair()


def test_without_ray_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(HeadUnavailableError) as caught:
        placement.connected("auto", "x")
    assert caught.value.code == "CHIM756"
    assert "cluster" in str(caught.value.hint)
