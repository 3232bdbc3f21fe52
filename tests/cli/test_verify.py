from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

SIGNED = Path(__file__).parents[1] / "vectors" / "examples" / "signed"


@pytest.fixture
def signed(tmp_path):
    path = tmp_path / "h2_vqe.maml.md"
    shutil.copyfile(SIGNED / "h2_vqe.maml.md", path)
    return path


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.jwks.json"
    shutil.copyfile(SIGNED / "keys.jwks.json", path)
    return path


def test_the_last_line_counts_tickets(chimera, signed, keys):
    called = chimera("verify", signed, "--keys", keys)
    assert called.code == 0
    assert called.out.splitlines()[-1] == "3 tickets verified"


def test_json_shape(chimera, signed, keys):
    shown = chimera("verify", signed, "--keys", keys, "--json").json
    assert shown == {
        "schema": "chimera.verify/1",
        "ok": True,
        "files": [
            {
                "path": str(signed),
                "ok": True,
                "entries": 5,
                "grants": 1,
                "tickets": 3,
                "problems": [],
            }
        ],
    }


def test_an_edited_line_is_exit_8_and_says_where(chimera, signed, keys):
    signed.write_bytes(signed.read_bytes().replace(b"head=HEAD_1", b"head=HEAD_3", 1))
    called = chimera("verify", signed, "--keys", keys, "--json")
    assert called.code == 8
    problem = called.json["files"][0]["problems"][0]
    assert set(problem) == {"code", "severity", "entry", "line", "message"}
    assert "[TICKET]" in signed.read_text().split("\n")[problem["line"] - 1]
    text = chimera("verify", signed, "--keys", keys)
    assert text.code == 8
    assert f"{problem['code']} " in text.out


def test_an_error_of_the_text_counts(chimera, signed, keys):
    signed.write_bytes(
        signed.read_bytes().replace(b"\n## Intent", "\n\u200b\n## Intent".encode(), 1)
    )
    called = chimera("verify", signed, "--keys", keys, "--json")
    assert called.code == 8
    assert "MAML103" in {one["code"] for one in called.json["files"][0]["problems"]}


def test_several_files_one_bad(chimera, signed, keys, tmp_path):
    bare = tmp_path / "bare.maml.md"
    bare.write_bytes(signed.read_bytes().partition(b"## History")[0])
    called = chimera("verify", signed, bare, "--keys", keys, "--json")
    assert called.code == 8
    assert [file["ok"] for file in called.json["files"]] == [True, False]


def test_a_cut_tail_is_seen_with_a_checkpoint_only(chimera, signed, keys, tmp_path):
    identity = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"
    assert identity in signed.read_text()
    noted = tmp_path / "heads.json"
    whole = signed.read_bytes()
    at = whole.rindex(b"\n- ") + 1
    noted.write_text(json.dumps({"id": identity, "size": 5, "root": _root(signed)}))
    assert chimera("verify", signed, "--keys", keys, "--checkpoint", noted).code == 0
    signed.write_bytes(whole[:at])
    assert chimera("verify", signed, "--keys", keys).code == 0
    called = chimera("verify", signed, "--keys", keys, "--checkpoint", noted, "--json")
    assert called.code == 8
    assert "tail was cut" in called.json["files"][0]["problems"][0]["message"]


def _root(path: Path) -> str:
    from chimera_pipelines.maml.history import parse_history
    from chimera_pipelines.tickets import merkle

    tree = merkle.MerkleTree()
    for entry in parse_history(path.read_bytes()):
        tree.append(entry.raw)
    return merkle.written(tree.root)


def test_another_root_for_the_same_size_is_refused(chimera, signed, keys, tmp_path):
    noted = tmp_path / "heads.json"
    identity = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"
    noted.write_text(json.dumps([{"id": identity, "size": 3, "root": "sha256:" + "0" * 64}]))
    assert chimera("verify", signed, "--keys", keys, "--checkpoint", noted).code == 8


@pytest.mark.parametrize("text", ["{", "[]x", '{"id": "a"}', '[{"size": "many"}]', "3"])
def test_a_checkpoint_file_of_another_form_is_usage(chimera, signed, keys, tmp_path, text):
    noted = tmp_path / "heads.json"
    noted.write_text(text)
    called = chimera("verify", signed, "--keys", keys, "--checkpoint", noted, "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM207"


def test_keys_that_do_not_load_are_usage(chimera, signed, keys):
    text = json.loads(keys.read_text())
    text["keys"][0]["kid"] = "ML-DSA-65:" + "A" * 43
    keys.write_text(json.dumps(text))
    assert chimera("verify", signed, "--keys", keys).code == 2


def test_without_keys_of_its_own_the_project_says_what_to_do(chimera, signed):
    called = chimera("verify", signed, "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM206"
    assert "keys init" in called.json["error"]["hint"]


def test_a_strangers_ticket_does_not_verify_with_the_projects_keys(chimera, signed):
    chimera("keys", "init")
    called = chimera("verify", signed, "--json")
    assert called.code == 8
    assert "MAML805" in {one["code"] for one in called.json["files"][0]["problems"]}


def test_a_missing_file_is_usage(chimera, tmp_path, keys):
    assert chimera("verify", tmp_path / "none.maml.md", "--keys", keys).code == 2


def test_dagster_comparison_needs_a_dagster_home(chimera, signed, keys, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    called = chimera("verify", signed, "--keys", keys, "--against-dagster", "--json")
    assert called.code == 2
    assert called.json["error"]["code"] == "CHIM609"
    assert "DAGSTER_HOME" in called.json["error"]["hint"]


def test_history_and_dagster_agree_until_the_tail_is_cut(chimera, chain, tmp_path, monkeypatch):
    """What the file alone cannot show (MAML.md §8)."""
    instance = tmp_path / "dagster"
    instance.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(instance))
    assert chimera("run", chain, "--dagster", "--quiet").code == 0
    called = chimera("verify", chain, "--against-dagster", "--json")
    assert called.code == 0
    (file,) = called.json["files"]
    assert file["dagster"] == {"runs": 1, "materializations": 3}
    assert (
        "3 materialisations of 1 Dagster runs" in chimera("verify", chain, "--against-dagster").out
    )

    whole = chain.read_text()
    chain.write_text(whole[: whole.rindex("\n- ") + 1])
    assert chimera("verify", chain).code == 0
    called = chimera("verify", chain, "--against-dagster", "--json")
    assert called.code == 8
    problems = called.json["files"][0]["problems"]
    assert {one["code"] for one in problems} == {"CHIM621", "MAML803"}
    assert any("tail was cut" in one["message"] for one in problems)
