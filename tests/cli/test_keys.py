from __future__ import annotations

import json

HOLDERS = ["gateway://local/default", *(f"head://local/default/HEAD_{n}" for n in (1, 2, 3, 4))]


def test_init_makes_what_is_missing_once(chimera, home):
    first = chimera("keys", "init", "--json").json
    assert first["schema"] == "chimera.keys/1"
    assert len(first["made"]) == 5
    assert first["path"] == str(home / "keys")
    again = chimera("keys", "init", "--json").json
    assert again["made"] == []
    assert again["keys"] == first["keys"]
    assert "0 keys made, 5 keys" in chimera("keys", "init").out


def test_list_shows_no_secret(chimera, home):
    chimera("keys", "init")
    called = chimera("keys", "list", "--json")
    assert [key["holder"] for key in called.json["keys"]] == HOLDERS
    seeds = [
        json.loads(path.read_text())["seed"] for path in (home / "keys" / "private").glob("*.json")
    ]
    assert len(seeds) == 5
    everything = called.out + chimera("keys", "list").out + chimera("keys", "export").out
    assert not any(seed in everything for seed in seeds)


def test_export_is_a_jwks(chimera, tmp_path):
    chimera("keys", "init")
    out = tmp_path / "keys.jwks.json"
    assert chimera("keys", "export", "-o", out).code == 0
    jwks = json.loads(out.read_text())
    assert [key["x-holder"] for key in jwks["keys"]] == HOLDERS
    assert json.loads(chimera("keys", "export").out) == jwks
    shown = chimera("keys", "export", "--json").json
    assert shown == {"schema": "chimera.jwks/1", **jwks}


def test_rotate(chimera):
    before = chimera("keys", "init", "--json").json["keys"]
    called = chimera("keys", "rotate", "HEAD_1", "--json")
    assert called.json["rotated"] == HOLDERS[1]
    keys = [key for key in called.json["keys"] if key["holder"] == HOLDERS[1]]
    assert [key["active"] for key in keys] == [False, True]
    assert keys[0]["key"] == before[1]["key"]
    assert chimera("keys", "rotate", "gateway").code == 0


def test_rotate_of_a_stranger_is_usage(chimera):
    chimera("keys", "init")
    assert chimera("keys", "rotate", "HEAD_9").code == 2


def test_quiet_init_says_nothing(chimera):
    called = chimera("keys", "init", "--quiet")
    assert (called.code, called.out, called.err) == (0, "", "")


def test_a_revoked_key_reads_so(chimera):
    chimera("keys", "init")
    chimera("keys", "rotate", "HEAD_1")
    assert "old" in chimera("keys", "list").out
    chimera("keys", "rotate", "HEAD_2", "--revoke")
    shown = chimera("keys", "list").out
    assert shown.count("revoked") == 1
