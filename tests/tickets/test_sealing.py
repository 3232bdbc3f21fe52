from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from chimera_pipelines.tickets import sealing


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sealing, "SCRYPT", {"n": 2**10, "r": 8, "p": 1})


def test_it_opens_under_the_same_passphrase_and_name_alone():
    sealed = sealing.seal(b"horse", b"s" * 16, "key-1", b"secret")
    assert sealing.unseal(b"horse", sealed, "key-1") == b"secret"
    for passphrase, name in ((b"house", "key-1"), (b"horse", "key-2")):
        with pytest.raises(InvalidTag):
            sealing.unseal(passphrase, sealed, name)


def test_a_changed_byte_does_not_open():
    sealed = sealing.seal(b"horse", b"s" * 16, "key-1", b"secret")
    data = bytearray(sealing.from_base64url(sealed["data"]))
    data[0] ^= 1
    changed = {**sealed, "data": sealing.base64url(bytes(data))}
    with pytest.raises(InvalidTag):
        sealing.unseal(b"horse", changed, "key-1")


def test_the_same_secret_never_seals_alike():
    first, second = (sealing.seal(b"horse", b"s" * 16, "k", b"secret") for _ in range(2))
    assert first["data"] != second["data"]


@pytest.mark.parametrize(
    ("text", "passphrase"),
    [(b"a b\nsecond\n", b"a b"), (b"a b\r\n", b"a b"), (b"a b", b"a b")],
)
def test_the_passphrase_is_the_first_line(tmp_path, text, passphrase):
    path = tmp_path / "passphrase"
    path.write_bytes(text)
    assert sealing.passphrase_of(path) == passphrase
    assert sealing.passphrase_of(None) is None
