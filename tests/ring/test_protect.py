from __future__ import annotations

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.protect import protected, protection
from chimera_pipelines.ring.seal import CHUNK, Cipher, Sealing
from chimera_pipelines.ring.shares import Manifest
from chimera_pipelines.ring.stripes import Bare, Split, Whole
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Keys

DRAFT = Manifest(sha256(b"x"), "d", "k", "m", 1, CHUNK)


@pytest.mark.parametrize(
    ("cipher", "kind", "heads"),
    [
        (Cipher.NONE, Bare, []),
        (Cipher.AES_256, Whole, ["HEAD_3"]),
        (Cipher.AES_512, Whole, ["HEAD_3"]),
        (Cipher.AES_2048, Split, list(HEAD_IDS)),
    ],
)
def test_each_cipher_has_its_protection(cipher: Cipher, kind: type, heads: list[str]) -> None:
    keys = Keys()
    manifest, cover = protected(DRAFT, Sealing(cipher, "HEAD_3", "d"), keys, HEAD_IDS)
    assert type(cover) is kind
    assert type(protection(manifest, keys)) is kind
    assert [seal.head for seal in manifest.seals] == heads
    assert manifest.cipher is cipher
    assert Manifest.parse(manifest.text()) == manifest


def test_a_cipher_wants_keys() -> None:
    with pytest.raises(SettingsError, match="'aes-256' asks for keys"):
        protected(DRAFT, Sealing(Cipher.AES_256, "HEAD_1", "d"), None, HEAD_IDS)
