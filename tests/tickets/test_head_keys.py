from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.tickets import sealing
from chimera_pipelines.tickets.head_keys import HeadKeyStore
from chimera_pipelines.tickets.keys import KeyStore

CHEAP = {"n": 2**12, "r": 8, "p": 1}


@pytest.fixture
def store(tmp_path: Path) -> HeadKeyStore:
    return HeadKeyStore(tmp_path)


def files(store: HeadKeyStore) -> list[Path]:
    return sorted(store.folder.glob("*.json"))


def test_a_key_is_made_once_and_read_again(store: HeadKeyStore, tmp_path: Path) -> None:
    assert store.protections() == {}
    key = store.newest("HEAD_2")
    assert (key.head, len(key.secret), len(key.kem_seed)) == ("HEAD_2", 64, 64)
    assert key.secret.hex() not in repr(key)
    assert HeadKeyStore(tmp_path).newest("HEAD_2") == key
    assert HeadKeyStore(tmp_path).find("HEAD_2", key.id) == key
    assert store.newest("HEAD_1").secret != key.secret
    assert set(store.protections().values()) == {"file"}
    for path in files(store):
        assert path.stat().st_mode & 0o777 == 0o600
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_a_new_key_seals_and_the_old_one_still_opens(store: HeadKeyStore, tmp_path: Path) -> None:
    old = store.newest("HEAD_1")
    new = store.rotate("HEAD_1")
    assert new.id != old.id
    for one in (store, HeadKeyStore(tmp_path)):
        assert one.newest("HEAD_1") == new
        assert one.find("HEAD_1", old.id) == old


def test_keys_are_sealed_under_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SCRYPT", CHEAP)
    words = tmp_path / "passphrase"
    words.write_text("correct horse\n")
    root = tmp_path / "keys"
    store = HeadKeyStore(root, passphrase_file=words)
    key = store.newest("HEAD_1")
    assert set(store.protections().values()) == {"scrypt"}
    text = files(store)[0].read_text()
    assert "secret" not in text
    assert HeadKeyStore(root, passphrase_file=words).newest("HEAD_1") == key
    with pytest.raises(SettingsError, match="is sealed") as caught:
        HeadKeyStore(root).newest("HEAD_1")
    assert caught.value.code == "CHIM222"
    words.write_text("another\n")
    with pytest.raises(SettingsError, match="does not open the 512-bit key of 'HEAD_1'"):
        HeadKeyStore(root, passphrase_file=words).newest("HEAD_1")


def test_one_salt_serves_signing_keys_and_head_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SCRYPT", CHEAP)
    words = tmp_path / "passphrase"
    words.write_text("correct horse\n")
    root = tmp_path / "keys"
    KeyStore(root, "gateway://local/x", provider="cryptography", passphrase_file=words).ensure()
    HeadKeyStore(root, passphrase_file=words).newest("HEAD_1")
    records = [json.loads(path.read_text()) for path in root.rglob("*.json")]
    assert len({record["sealed"]["salt"] for record in records if "sealed" in record}) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kid": "x"}, "not the key"),
        ({"head": "HEAD_2"}, "not the key"),
        ({"secret": "AAAA"}, "is not the key"),
        ({"secret": 7}, "damaged"),
        ({"format": "other"}, "not the key"),
    ],
)
def test_a_file_of_another_key_is_refused(
    store: HeadKeyStore, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    key = store.newest("HEAD_1")
    (path,) = files(store)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SettingsError, match=said) as caught:
        HeadKeyStore(tmp_path).find("HEAD_1", key.id)
    assert caught.value.code == "CHIM223"


def test_a_file_that_others_may_read_is_refused(store: HeadKeyStore, tmp_path: Path) -> None:
    key = store.newest("HEAD_1")
    files(store)[0].chmod(0o644)
    with pytest.raises(SettingsError, match="mode 0644"):
        HeadKeyStore(tmp_path).find("HEAD_1", key.id)


@pytest.mark.parametrize("name", ["k9", "../../etc/passwd", "a/b", ""])
def test_a_key_that_is_not_here_is_named_and_never_a_path(store: HeadKeyStore, name: str) -> None:
    with pytest.raises(SettingsError, match="of HEAD_1 is not in") as caught:
        store.find("HEAD_1", name)
    assert caught.value.code == "CHIM514"


def test_processes_that_begin_together_agree(tmp_path: Path) -> None:
    """Each child tells the key that it got by its exit status."""
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            os._exit(HeadKeyStore(tmp_path).newest("HEAD_1").secret[0])
        children.append(child)
    told = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    assert told == {HeadKeyStore(tmp_path).newest("HEAD_1").secret[0]}
    assert len(files(HeadKeyStore(tmp_path))) == 1
