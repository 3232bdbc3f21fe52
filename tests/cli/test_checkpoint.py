from __future__ import annotations

import shutil

import pytest

from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.settings import Settings


@pytest.fixture
def stored(home):
    """A ring with two checkpoints; the id of the first."""
    ring = Ring(home / "ring")
    first = ring.store(b"first" * 100, document="d", kernel="a", media="text/plain")
    ring.store(b"second", document="d", kernel="b", media="text/plain")
    return first.id


def lose(home, *heads: str) -> None:
    for head in heads:
        shutil.rmtree(home / "ring" / head)
        (home / "ring" / head).mkdir()


def test_json_shape(chimera, stored):
    for verb in ("ls", "verify"):
        called = chimera("checkpoint", verb, "--json")
        assert called.code == 0
        assert called.json["schema"] == "chimera.checkpoints/1"
        one = next(c for c in called.json["checkpoints"] if c["id"] == stored)
        assert set(one) >= {"id", "document", "kernel", "bytes", "ok", "shares"}
        assert (one["document"], one["kernel"], one["ok"]) == ("d", "a", True)
        assert [share["head"] for share in one["shares"]] == [
            "HEAD_1",
            "HEAD_2",
            "HEAD_3",
            "HEAD_4",
        ]
        assert all({"head", "index", "status"} <= set(share) for share in one["shares"])


def test_an_empty_ring_is_fine(chimera):
    called = chimera("checkpoint", "verify", "--json")
    assert called.code == 0
    assert called.json["checkpoints"] == []


def test_damage_is_1_and_beyond_repair_9(chimera, home, stored):
    lose(home, "HEAD_1", "HEAD_3")
    called = chimera("checkpoint", "verify", "--json")
    assert called.code == 1
    gone = {
        share["head"]
        for one in called.json["checkpoints"]
        for share in one["shares"]
        if share["status"] == "missing"
    }
    assert gone == {"HEAD_1", "HEAD_3"}
    assert "HEAD_1:missing" in chimera("checkpoint", "ls").out
    lose(home, "HEAD_2")
    assert chimera("checkpoint", "verify").code == 9


def test_restore_from_two_shares(chimera, home, stored, tmp_path):
    lose(home, "HEAD_2", "HEAD_4")
    out = tmp_path / "out.bin"
    begin = stored.removeprefix("sha256:")[:10]
    called = chimera("checkpoint", "restore", begin, "-o", out, "--json")
    assert called.code == 0, called.err
    assert called.json["schema"] == "chimera.restored/1"
    assert called.json["id"] == stored
    assert out.read_bytes() == b"first" * 100


def test_restore_beyond_repair_is_9_and_writes_nothing(chimera, home, stored, tmp_path):
    lose(home, "HEAD_1", "HEAD_2", "HEAD_4")
    out = tmp_path / "out.bin"
    called = chimera("checkpoint", "restore", stored, "-o", out, "--json")
    assert called.code == 9
    assert not out.exists()


def test_restore_of_nothing_or_of_several_is_usage(chimera, stored, tmp_path):
    for begin in ("0" * 64, ""):
        called = chimera("checkpoint", "restore", begin, "-o", tmp_path / "x", "--json")
        assert called.code == 2
        assert called.json["error"]["code"] == "CHIM206"


def test_verify_ends_with_a_summary(chimera, home, stored):
    del stored
    said = chimera("checkpoint", "verify").out.splitlines()[-1]
    assert said == "2 checkpoints: 2 good, 0 damaged but can be rebuilt, 0 beyond repair"
    lose(home, "HEAD_1")
    said = chimera("checkpoint", "verify").out.splitlines()[-1]
    assert said == "2 checkpoints: 0 good, 2 damaged but can be rebuilt, 0 beyond repair"


@pytest.fixture
def saved(home):
    """A sealed checkpoint and a sealed state; their ids."""
    services = Services(Settings(home=home))
    sealing = Sealing(Cipher.AES_256, "HEAD_2", "d")
    with services:
        stored = services.ring.store(
            b"sealed" * 99, document="d", kernel="a", media="text/plain", sealing=sealing
        )
        state = services.states.save(
            StateKey("run", "b"), b"state" * 500, head="HEAD_2", document="d"
        )
    return stored.id, state.id


def test_sealed_ones_and_states_are_shown(chimera, saved):
    called = chimera("checkpoint", "verify", "--json")
    assert called.code == 0
    stored, state = called.json["checkpoints"]
    assert [stored["id"], state["id"]] == list(saved)
    assert (stored["encryption"], "state" in stored) == ("aes-256", False)
    assert (state["state"]["head"], state["state"]["generation"]) == ("HEAD_2", 1)
    assert "b (register 1 of HEAD_2)" in chimera("checkpoint", "ls").out


def test_repair_needs_no_keys_and_restore_does(chimera, home, saved, tmp_path):
    lose(home, "HEAD_1", "HEAD_3")
    keys = home / "keys" / "private"
    keys.rename(home / "elsewhere")
    assert chimera("checkpoint", "verify").code == 1
    called = chimera("checkpoint", "repair", "--json")
    assert called.code == 0, called.err
    assert all(one["ok"] for one in called.json["checkpoints"])
    out = tmp_path / "out.bin"
    for content in saved:
        called = chimera("checkpoint", "restore", content, "-o", out, "--json")
        assert called.json["error"]["code"] == "CHIM514"
        assert not out.exists()
    (home / "elsewhere").rename(keys)
    for content, data in zip(saved, (b"sealed" * 99, b"state" * 500), strict=True):
        assert chimera("checkpoint", "restore", content, "-o", out).code == 0
        assert out.read_bytes() == data


def test_repair_of_a_store_that_is_away_names_it(chimera, home, saved):
    lose(home, "HEAD_4")
    (home / "ring" / "HEAD_4").rmdir()
    (home / "ring" / "HEAD_4").write_text("no folder")
    called = chimera("checkpoint", "repair", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM506"
    assert "share store of HEAD_4" in called.json["error"]["message"]


def test_repair_beyond_repair_is_9(chimera, home, saved):
    lose(home, "HEAD_1", "HEAD_2", "HEAD_3")
    assert chimera("checkpoint", "repair").code == 9
