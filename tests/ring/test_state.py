from __future__ import annotations

import os
import random
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.seal import CHUNK, Cipher
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Hand, Keys

KEY = StateKey("run", "vqe")
FIRST, SECOND, THIRD = (bytes([n]) * 3000 for n in (1, 2, 3))


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    hand = Hand()
    return {"root": tmp_path, "keys": Keys(), "signers": lambda _: hand, "verifier": hand}


@pytest.fixture
def states(made: dict[str, Any]) -> StateStore:
    return StateStore(**made)


def save(states: StateStore, data: bytes, key: StateKey = KEY, **given_: Any) -> str:
    return states.save(key, data, **{"head": "HEAD_1", "document": "d", **given_}).id


def files(root: Path, head: str = "HEAD_2") -> list[Path]:
    return sorted((root / head / "state").rglob("*.state"))


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 5])
def test_a_state_comes_back_from_any_two_stores(
    states: StateStore, cipher: Cipher, size: int
) -> None:
    data = random.Random(size).randbytes(size)
    ref = states.save(KEY, data, head="HEAD_3", document="d", cipher=cipher)
    assert (ref.id, ref.generation, ref.bytes, ref.shares) == (sha256(data), 1, size, HEAD_IDS)
    assert ref.cipher is (Cipher.AES_256 if cipher is Cipher.NONE else cipher)
    for lost in combinations(HEAD_IDS, 2):
        assert states.load(ref.id, lost=frozenset(lost)) == data
    timing: dict[str, float] = {}
    assert states.load(KEY, timing=timing) == states.load(ref) == data
    assert set(timing) == {"gather", "rebuild", "decrypt"}
    (report,) = states.verify()
    assert report.ok
    assert report.state is not None
    assert report.state.head == "HEAD_3"


def test_what_is_saved_is_sealed(states: StateStore, tmp_path: Path) -> None:
    save(states, FIRST)
    for head in HEAD_IDS:
        (path,) = files(tmp_path, head)
        assert FIRST[:32] not in path.read_bytes()


def test_who_was_replaced_saves_nothing(states: StateStore, tmp_path: Path) -> None:
    save(states, FIRST)
    before = {path: path.read_bytes() for head in HEAD_IDS for path in files(tmp_path, head)}

    def replaced() -> None:
        raise CheckpointError("CHIM761", "there is a newer incarnation")

    with pytest.raises(CheckpointError, match="newer incarnation"):
        save(states, SECOND, guard=replaced)
    assert {p: p.read_bytes() for head in HEAD_IDS for p in files(tmp_path, head)} == before
    assert states.load(KEY) == FIRST


def test_slots_are_overwritten_in_turn_and_do_not_grow(states: StateStore, tmp_path: Path) -> None:
    for n in range(1, 9):
        data = bytes([n]) * 5000
        save(states, data)
        assert states.load(KEY) == data
        assert len(files(tmp_path)) == min(n, 2)
    assert [ref.generation for ref in states.states("run")] == [7, 8]
    sizes = {path.stat().st_size for path in files(tmp_path)}
    assert len(sizes) == 1
    save(states, b"x")
    assert min(path.stat().st_size for path in files(tmp_path)) < min(sizes)


def test_a_new_process_reads_what_another_saved(made: dict[str, Any]) -> None:
    content = save(StateStore(**made), FIRST)
    assert StateStore(**made).load(content) == FIRST
    assert StateStore(**made).exists(content)
    assert not StateStore(**made).exists(sha256(SECOND))


def test_released_slots_are_reused_and_gone_with_the_last(
    states: StateStore, tmp_path: Path
) -> None:
    other = StateKey("run", "other")
    save(states, FIRST)
    save(states, SECOND, other)
    states.release("run", "vqe")
    with pytest.raises(CheckpointError, match="no state 'register of vqe' is saved") as caught:
        states.load(KEY)
    assert caught.value.code == "CHIM515"
    assert states.load(other) == SECOND
    assert len(files(tmp_path)) == 2
    save(states, THIRD)
    assert len(files(tmp_path)) == 2
    states.release("run")
    assert files(tmp_path) == []
    assert states.verify() == []


def test_states_of_runs_that_are_over_are_reclaimed(states: StateStore, tmp_path: Path) -> None:
    for run in ("a", "b", "c"):
        save(states, FIRST, StateKey(run, "k"), head="HEAD_2")
        save(states, FIRST, StateKey(run, "k"), head="HEAD_4")
    assert states.sweep(lambda run: run == "b") == 4
    assert {ref.key.run for ref in states.states()} == {"b"}
    assert states.sweep(lambda _: False) == 2
    assert files(tmp_path) == []


@pytest.mark.parametrize("torn", [0, 4, 100, 5000, -1])
def test_a_torn_save_is_found_and_the_older_state_serves(
    states: StateStore, tmp_path: Path, torn: int
) -> None:
    """In each store, the new slot's file is what a kill after so many bytes leaves of it."""
    save(states, FIRST)
    save(states, SECOND)
    before = {head: files(tmp_path, head)[0].read_bytes() for head in HEAD_IDS}
    save(states, THIRD)
    for head in HEAD_IDS:
        path = files(tmp_path, head)[0]
        whole = path.read_bytes()
        assert whole != before[head]
        path.write_bytes(whole[:torn] + before[head][torn:] if torn >= 0 else bytes(len(whole)))
    assert states.load(KEY) == SECOND
    save(states, FIRST)
    assert states.load(KEY) == FIRST
    assert len(files(tmp_path)) <= 3


def test_a_save_that_was_killed_never_costs_the_newest_state(
    states: StateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(states, FIRST)
    for attempt in range(4):

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("chimera_pipelines.ring.writing._Writers.commit", killed)
            with pytest.raises(KeyboardInterrupt):
                save(states, bytes([attempt]) * 4000)
        assert states.load(KEY) == FIRST
        assert [one.ok for one in states.verify()] == [True]
    assert len(files(tmp_path)) == 2


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.data())
def test_any_flip_is_found_and_located(
    states: StateStore, tmp_path: Path, place: st.DataObject
) -> None:
    states.release("run")
    save(states, FIRST)
    head = place.draw(st.sampled_from(HEAD_IDS))
    (path,) = files(tmp_path, head)
    data = bytearray(path.read_bytes())
    at = place.draw(st.integers(0, len(data) - 1))
    data[at] ^= 1 << place.draw(st.integers(0, 7))
    path.write_bytes(data)
    (report,) = states.verify()
    assert [share.head for share in report.shares if share.status != "ok"] == [head]
    assert states.load(KEY) == FIRST
    (repaired,) = states.repair()
    assert repaired.ok


def test_repair_makes_the_same_bytes_again_without_keys(
    states: StateStore, made: dict[str, Any], tmp_path: Path
) -> None:
    save(states, FIRST)
    before = {head: files(tmp_path, head)[0].read_bytes() for head in HEAD_IDS}
    shutil.rmtree(tmp_path / "HEAD_1")
    shutil.rmtree(tmp_path / "HEAD_3")
    (report,) = states.ls()
    assert not report.ok
    (report,) = StateStore(**{**made, "keys": Keys()}).repair()
    assert report.ok
    assert {head: files(tmp_path, head)[0].read_bytes() for head in HEAD_IDS} == before
    assert states.load(KEY) == FIRST


def test_three_lost_stores_are_beyond_repair(states: StateStore, tmp_path: Path) -> None:
    save(states, FIRST)
    for head in HEAD_IDS[1:]:
        shutil.rmtree(tmp_path / head)
    (report,) = states.verify()
    assert not report.repairable
    with pytest.raises(CheckpointError, match="HEAD_2: missing") as caught:
        states.load(KEY)
    assert caught.value.code == "CHIM501"


def test_a_broken_store_is_told_and_repaired_later(states: StateStore, tmp_path: Path) -> None:
    (tmp_path / "HEAD_2").write_text("no folder")
    ref = states.save(KEY, FIRST, head="HEAD_1", document="d")
    assert ref.shares == ("HEAD_1", "HEAD_3", "HEAD_4")
    assert "share store of HEAD_2 at" in ref.lacking["HEAD_2"]
    assert states.load(KEY) == FIRST
    (tmp_path / "HEAD_2").unlink()
    (report,) = states.repair()
    assert report.ok


def test_a_store_that_was_away_has_an_old_state_which_does_not_count(
    states: StateStore, tmp_path: Path
) -> None:
    save(states, FIRST)
    save(states, SECOND)
    old = {path.name: path.read_bytes() for path in files(tmp_path)}
    save(states, THIRD)
    for path in files(tmp_path):
        path.write_bytes(old[path.name])
    assert states.load(KEY) == THIRD
    assert [one.shares[1].detail for one in states.verify() if not one.ok] == [
        "it is of another save than the others"
    ]


def test_a_manifest_of_another_signer_does_not_count(made: dict[str, Any]) -> None:
    save(StateStore(**made), FIRST)
    stranger = Hand()
    with pytest.raises(CheckpointError, match="not signed by a key known here"):
        StateStore(**{**made, "verifier": stranger}).load(KEY)


def test_states_of_another_key_do_not_open(made: dict[str, Any]) -> None:
    save(StateStore(**made), FIRST)
    with pytest.raises(CheckpointError, match="sealed under another key"):
        StateStore(**{**made, "keys": Keys()}).load(KEY)


def test_two_processes_save_at_once(made: dict[str, Any]) -> None:
    children = []
    for n in range(2):
        child = os.fork()
        if not child:
            status = 1
            try:
                for turn in range(8):
                    key = StateKey("run", f"k{n}")
                    data = bytes([n, turn]) * 500
                    save(StateStore(**made), data, key)
                    assert StateStore(**made).load(key) == data
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert len(StateStore(**made).states("run")) == 4
