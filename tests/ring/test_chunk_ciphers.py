from __future__ import annotations

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from chimera_pipelines.ring.chunk_ciphers import ChunkCipher, Gcm, Siv

BOUND = b"header"
GCM, SIV = os.urandom(39), os.urandom(64)


def sealed(cipher: ChunkCipher, index: int, *, final: bool) -> bytes:
    out = bytearray(21)
    cipher.close(index, final, b"plain", out)
    return bytes(out)


def test_chunks_are_what_the_standards_give() -> None:
    nonce = GCM[32:] + b"\x00\x00\x01\x02" + b"\x01"
    assert sealed(Gcm(GCM, BOUND), 258, final=True) == AESGCM(GCM[:32]).encrypt(
        nonce, b"plain", BOUND
    )
    number = (258).to_bytes(8, "big") + b"\x00"
    assert sealed(Siv(SIV, BOUND), 258, final=False) == AESSIV(SIV).encrypt(
        b"plain", [BOUND, number]
    )


@pytest.mark.parametrize("cipher", [Gcm(GCM, BOUND), Siv(SIV, BOUND)], ids=["gcm", "siv"])
def test_a_chunk_opens_in_its_place_alone(cipher: ChunkCipher) -> None:
    chunk, out = sealed(cipher, 3, final=False), bytearray(5)
    cipher.open(3, False, chunk, out)
    assert out == b"plain"
    for index, final in ((2, False), (3, True)):
        with pytest.raises(InvalidTag):
            cipher.open(index, final, chunk, out)
