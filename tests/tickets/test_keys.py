from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

from chimera_pipelines.errors import SettingsError, UsageError
from chimera_pipelines.tickets import providers, sealing
from chimera_pipelines.tickets.jwks import load_jwks
from chimera_pipelines.tickets.keys import KeyStore

GATEWAY = "gateway://lab/dgx"
HEAD = "head://lab/dgx/HEAD_1"


@pytest.fixture
def store(tmp_path):
    made = KeyStore(tmp_path / "keys", GATEWAY, algorithm="ML-DSA-44", provider="cryptography")
    made.ensure()
    return made


@pytest.fixture
def passphrase(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "SCRYPT", {"n": 2**10, "r": 8, "p": 1})
    path = tmp_path / "passphrase"
    path.write_text("correct horse\nsecond line\n")
    return path


def test_a_store_has_one_key_for_each_holder(store):
    found = store.list()
    assert [info.key.holder for info in found] == [
        GATEWAY,
        *(f"head://lab/dgx/HEAD_{n}" for n in (1, 2, 3, 4)),
    ]
    assert all(info.active and info.protection == "file" for info in found)
    assert load_jwks(store.export()) == store.ring()


def test_private_files_are_private(store):
    folder = store.root / "private"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    exported = json.dumps(store.export())
    for path in folder.iterdir():
        assert json.loads(path.read_bytes())["seed"] not in exported


def test_signing(store):
    signer = store.signer(HEAD)
    key = store.active(HEAD)
    assert (signer.holder, signer.key_id) == (HEAD, key.key_id)
    assert providers.verify(key.algorithm, key.public, b"m", signer.sign(b"m"))


def test_making_keys_again_keeps_those_there_are(store):
    before = store.export()
    assert store.init() == ()
    again = KeyStore(store.root, GATEWAY, algorithm="ML-DSA-87")
    again.ensure()
    assert again.export() == before


def test_another_gateway_gets_keys_of_its_own(store):
    other = KeyStore(store.root, "gateway://lab/other", algorithm="ML-DSA-44")
    other.ensure()
    assert len(other.list()) == 10
    assert other.active("head://lab/other/HEAD_1") != other.active(HEAD)


def test_rotation_keeps_the_old_key_and_signs_with_the_new(store):
    old = store.active(HEAD)
    new = store.rotate(HEAD)
    assert store.active(HEAD) == new != old
    assert store.signer(HEAD).key_id == new.key_id
    assert store.signer_of(old).key_id == old.key_id
    assert [info.active for info in store.list() if info.key.holder == HEAD] == [False, True]
    assert KeyStore(store.root, GATEWAY).active(HEAD) == new


def test_revocation_ends_the_old_key(store):
    old = store.active(HEAD)
    store.rotate(HEAD, revoke=True)
    (ended,) = store.ring().get(old.key_id)
    assert ended.not_after is not None
    assert not ended.valid_at(10**20)


def test_an_unknown_holder_cannot_be_rotated_or_sign(store):
    for call in (store.rotate, store.signer):
        with pytest.raises(UsageError) as raised:
            call("head://lab/dgx/HEAD_9")
        assert raised.value.code == "CHIM221"


def test_a_key_that_others_can_read_is_refused(store):
    path = next((store.root / "private").iterdir())
    for file in (store.root / "private").iterdir():
        file.chmod(0o640)
    with pytest.raises(SettingsError, match="0640") as raised:
        store.signer(GATEWAY)
    assert raised.value.code == "CHIM223"
    assert path.exists()


def test_a_private_file_of_another_key_is_refused(store):
    gateway, head = (
        store.root / "private" / f"{store.active(holder).key_id.replace(':', '.')}.json"
        for holder in (GATEWAY, HEAD)
    )
    record = json.loads(head.read_bytes())
    gateway.write_text(json.dumps({**record, "kid": store.active(GATEWAY).key_id}))
    with pytest.raises(SettingsError, match="does not belong"):
        store.signer(GATEWAY)
    gateway.write_text("{")
    with pytest.raises(SettingsError, match="cannot read"):
        store.signer(GATEWAY)


@pytest.mark.parametrize(
    "damage",
    [
        {"seed": None},
        {"seed": "AA"},
        {"seed": 7},
        {"sealed": {}},
        {"sealed": {"salt": "AA", "n": 3, "r": 8, "p": 1, "nonce": "AA", "data": "AA"}},
        {"sealed": "x"},
    ],
)
def test_a_damaged_private_file_is_named(store, passphrase, damage):
    path = store.root / "private" / f"{store.active(HEAD).key_id.replace(':', '.')}.json"
    record = {**json.loads(path.read_bytes()), **damage}
    path.write_text(
        json.dumps({name: value for name, value in record.items() if value is not None})
    )
    opened = KeyStore(store.root, GATEWAY, passphrase_file=passphrase)
    with pytest.raises(SettingsError) as raised:
        opened.signer(HEAD)
    assert (raised.value.code, raised.value.where.file) == ("CHIM223", str(path))


def test_listing_names_a_damaged_private_file(store):
    next((store.root / "private").iterdir()).write_text("[]")
    with pytest.raises(SettingsError, match="cannot read"):
        store.list()


def test_a_passphrase_seals_new_keys(tmp_path, passphrase):
    def opened(file):
        return KeyStore(
            tmp_path / "keys",
            GATEWAY,
            algorithm="ML-DSA-44",
            provider="cryptography",
            passphrase_file=file,
        )

    sealed = opened(passphrase)
    sealed.ensure()
    assert {info.protection for info in sealed.list()} == {"scrypt"}
    salts = {
        json.loads(path.read_bytes())["sealed"]["salt"]
        for path in (tmp_path / "keys" / "private").iterdir()
    }
    assert len(salts) == 1
    assert opened(passphrase).signer(HEAD).sign(b"m")
    with pytest.raises(SettingsError, match="is sealed"):
        opened(None).signer(HEAD)
    wrong = tmp_path / "wrong"
    wrong.write_text("incorrect\n")
    with pytest.raises(SettingsError, match="does not open") as raised:
        opened(wrong).signer(HEAD)
    assert raised.value.code == "CHIM222"
    assert "incorrect" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "\nx"])
def test_an_empty_passphrase_is_refused(tmp_path, text):
    path = tmp_path / "passphrase"
    path.write_text(text)
    store = KeyStore(tmp_path / "keys", GATEWAY, passphrase_file=path)
    with pytest.raises(SettingsError, match="empty"):
        store.ensure()


def test_processes_that_begin_at_once_agree(tmp_path):
    code = (
        "from pathlib import Path; from chimera_pipelines.tickets.keys import KeyStore\n"
        f"s = KeyStore(Path({str(tmp_path / 'keys')!r}), {GATEWAY!r}, algorithm='ML-DSA-44')\n"
        f"s.ensure(); print(s.signer({HEAD!r}).key_id)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert len(said) == 1
    assert len(KeyStore(tmp_path / "keys", GATEWAY).list()) == 5
