from __future__ import annotations

import threading
from pathlib import Path

import pytest

from chimera_pipelines.ring.slots import Slots, choose
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.ring.stores import open_stores
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Hand, Keys


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(open_stores(tmp_path, HEAD_IDS), tmp_path / "locks")


def test_a_slot_that_may_be_replaced_goes_before_a_free_and_a_new_one() -> None:
    assert choose({}, []) == 0
    assert choose({0: None, 4: None}, [4]) == 4
    assert choose({0: None, 4: None}, []) == 0
    taken = {0: object(), 1: object()}
    assert choose(taken, []) == 2  # type: ignore[arg-type]


def test_free_slots_are_few_and_gone_with_the_last(tmp_path: Path, slots: Slots) -> None:
    hand = Hand()
    states = StateStore(tmp_path, keys=Keys(), signers=lambda _: hand, verifier=hand)
    for n in range(8):
        states.save(StateKey("run", f"k{n}"), b"x", head="HEAD_2", document="d")
    assert slots.numbers() == {"HEAD_2": list(range(8))}
    for n in range(7):
        states.release("run", f"k{n}")
    table = slots.table("HEAD_2")
    assert sum(share is None for share in table.values()) == 4
    assert slots.headers("HEAD_2", 7) == 4
    assert slots.headers("HEAD_2", 3) == 0
    states.release("run", "k7")
    assert len(slots.numbers()["HEAD_2"]) == 4, "the run goes on"
    states.release("run")
    assert slots.numbers() == {}


def test_strange_files_are_no_slots(tmp_path: Path, slots: Slots) -> None:
    folder = tmp_path / "HEAD_1" / "state"
    (folder / "HEAD_1").mkdir(parents=True)
    for name in ("HEAD_1/x.state", "0001.state", "HEAD_1/1.share"):
        (folder / name).write_bytes(b"")
    assert slots.numbers() == {}


def test_one_at_a_time_holds_a_heads_slots(slots: Slots) -> None:
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with slots.locked("HEAD_1"):
            order.append("other")

    with slots.locked("HEAD_1"):
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(10)
        with slots.locked("HEAD_2"):
            order.append("first")
    thread.join(10)
    assert order == ["first", "other"]
