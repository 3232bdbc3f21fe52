"""What a new process does before its first work, with stores that give, refuse and hang on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from chimera_pipelines.errors import CheckpointError, HeadUnavailableError, UsageError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.performer import HeadContext, Predecessor
from chimera_pipelines.heads.regeneration import Saved, bring_back, regenerate
from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline
from chimera_pipelines.quantum.record import circuits_from_json
from chimera_pipelines.quantum.write import encode_circuits
from tests.quantum.circuits import ghz

DIED = Predecessor(4, "killed by SIGKILL", 9, 0.03, 0.002, fenced_at=100.0)


def make_head(memory_bytes: int = 1 << 24) -> LocalHead:
    return LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=memory_bytes)


def here(before: Predecessor | None, head: LocalHead | None = None) -> HeadContext:
    head = head or make_head()
    return HeadContext("HEAD_1", "quantum", "cpu", 5, "agent", Path("nowhere"), head, before)


def register(qubits: int) -> bytes:
    head = make_head()
    circuits, several = circuits_from_json(encode_circuits(ghz(qubits))[0])
    return head.snapshot(head.propagate(head.embed(circuits, several), shots=10, seed=1))


@dataclass(frozen=True)
class Kept:
    id: str
    bytes: int


class Store:
    """Saved registers; bytes of None are beyond repair."""

    def __init__(self, saved: dict[str, bytes | None]) -> None:
        self.saved = saved

    def live(self) -> Sequence[Saved]:
        return [Kept(name, len(data or b"")) for name, data in self.saved.items()]

    def load(self, state: Saved, timing: dict[str, float]) -> bytes:
        timing["gather"] = 0.5
        data = self.saved[state.id]
        if data is None:
            raise CheckpointError("CHIM505", "three shares are lost")
        timing |= {"rebuild": 0.25, "decrypt": 0.125}
        return data


class Door:
    """A regenerator that does as it is told."""

    def __init__(self, what: Callable[[Stopwatch], None]) -> None:
        self.regenerate = what

    def record(self, timeline: Timeline) -> None: ...


def test_a_first_start_has_nothing_to_bring_back() -> None:
    def never(watch: Stopwatch) -> None:
        raise AssertionError

    timeline = regenerate(here(None), Door(never))
    assert (timeline.old, timeline.new, timeline.reason) == (None, 5, "started")
    assert timeline.seconds == 0


def test_what_the_agent_measured_comes_first() -> None:
    timeline = regenerate(here(DIED), None, now=lambda: 100.25)
    assert dict(timeline.stages) == {Stage.DETECT: 0.03, Stage.FENCE: 0.002, Stage.START: 0.25}
    assert (timeline.old, timeline.new, timeline.reason) == (4, 5, "killed by SIGKILL")


def test_registers_come_back_and_are_claimed_once() -> None:
    head, data = make_head(), register(5)
    watch = Stopwatch(Timeline("HEAD_1", 4, 5, "killed"))
    bring_back(head, Store({"sha256:a": data}), watch)
    assert (watch.timeline.states, watch.timeline.state_bytes) == (1, len(data))
    stages = watch.timeline.stages
    assert set(stages) == {Stage.GATHER, Stage.REBUILD, Stage.DECRYPT}
    assert stages[Stage.REBUILD] == 0.25
    assert stages[Stage.GATHER] >= 0.5
    handle = head.claim("sha256:a")
    assert handle is not None
    assert head.snapshot(handle) == data
    assert head.claim("sha256:a") is None
    head.drop(handle)
    assert head.bank.used == 0


def test_what_is_beyond_repair_or_no_register_is_left_behind() -> None:
    head, data = make_head(), register(4)
    store = Store({"lost": None, "noise": b"no register", "good": data})
    watch = Stopwatch(Timeline("HEAD_1", 4, 5, "killed"))
    bring_back(head, store, watch)
    assert head.claim("lost") is None
    assert head.claim("noise") is None
    assert head.claim("good") is not None


def test_what_has_no_room_is_left_behind_and_spares_make_way() -> None:
    data = register(10)  # 16 KiB of amplitudes
    head = make_head(40_000)
    bring_back(head, Store({"a": data, "b": data, "c": data}), Stopwatch(Timeline("x", 1, 2, "")))
    assert len(head.bank) == 2
    handle = head.restore(data)
    assert head.bank.used <= 40_000
    assert head.claim("a") is None, "the oldest spare made way"
    assert head.claim("b") is not None
    head.drop(handle)


def test_only_tickets_that_do_not_verify_keep_a_head_out_of_service() -> None:
    def distrusted(watch: Stopwatch) -> None:
        raise HeadUnavailableError("CHIM740", "ticket 7 does not verify")

    found = regenerate(here(DIED), Door(distrusted))
    assert found.problem is not None
    assert found.problem["code"] == "CHIM740"


@pytest.mark.parametrize("error", [UsageError("CHIM226", "database is gone"), OSError("disk full")])
def test_what_else_goes_wrong_costs_the_states_and_not_the_head(error: Exception) -> None:
    def broken(watch: Stopwatch) -> None:
        with watch.stage("gather"):
            raise error

    timeline = regenerate(here(DIED), Door(broken))
    assert timeline.problem is None
    assert Stage.GATHER in timeline.stages
