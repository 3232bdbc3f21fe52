"""Attacks on sealed files: none is opened, and nothing of one is given out."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.ring.seal import CHUNK, TAG, Cipher, Seal, SealHeader, Sealing
from chimera_pipelines.ring.seal_file import read_header, seal, unseal
from tests.ring.keys import Keys

SUITES = [Cipher.AES_256, Cipher.AES_512]
DATA = random.Random(7).randbytes(3 * CHUNK + 100)
SIZE = CHUNK + TAG


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


def sealing(cipher: Cipher, **more: object) -> Sealing:
    return replace(Sealing(cipher, "HEAD_1", "doc"), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=SUITES)
def sealed(request: pytest.FixtureRequest, keys: Keys) -> bytes:
    return seal(DATA, sealing(request.param), keys)


@pytest.mark.parametrize("cipher", SUITES)
@pytest.mark.parametrize("kem", [False, True])
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_what_is_sealed_comes_back(keys: Keys, cipher: Cipher, size: int, *, kem: bool) -> None:
    data = DATA[:size]
    made = seal(data, sealing(cipher, kem=kem), keys)
    assert unseal(made, keys, content=sha256(data), document="doc", head="HEAD_1") == data
    assert data[:64] not in made or size < 64
    header, start = read_header(made)
    assert len(made) == start + size + TAG * max(1, -(-size // CHUNK))
    assert (header.kem is not None) is kem


def test_equal_data_is_sealed_otherwise_each_time(keys: Keys, sealed: bytes) -> None:
    cipher = Cipher.AES_256 if read_header(sealed)[0].suite == "AES-256-GCM" else Cipher.AES_512
    assert seal(DATA, sealing(cipher), keys) != sealed


def test_the_same_header_gives_the_same_bytes(keys: Keys, sealed: bytes) -> None:
    """What repair of aes-2048 shares rests on."""
    header, start = read_header(sealed)
    out = bytearray(SIZE)
    Seal.of(header, keys).close_chunk(0, DATA[:CHUNK], out)
    assert out == sealed[start : start + SIZE]


def flip(sealed: bytes, at: int) -> bytes:
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


def with_header(sealed: bytes, **changed: object) -> bytes:
    header, start = read_header(sealed)
    text = canonical({**asdict(header), **changed})
    return struct.pack(">8sHI", sealed[:8], 1, len(text)) + text + sealed[start:]


def other_suite(sealed: bytes) -> str:
    suite = read_header(sealed)[0].suite
    return "AES-SIV-512" if suite == "AES-256-GCM" else "AES-256-GCM"


def body(sealed: bytes) -> int:
    return read_header(sealed)[1]


ATTACKS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "bit flipped": lambda e, _: flip(e, body(e) + 5),
    "bit of a tag flipped": lambda e, _: flip(e, body(e) + SIZE - 1),
    "cut at a chunk": lambda e, _: e[: body(e) + 2 * SIZE],
    "last chunk dropped": lambda e, _: e[: body(e) + 3 * SIZE],
    "chunks swapped": lambda e, _: (
        e[: body(e)]
        + e[body(e) + SIZE : body(e) + 2 * SIZE]
        + e[body(e) : body(e) + SIZE]
        + e[body(e) + 2 * SIZE :]
    ),
    "bytes appended": lambda e, _: e + b"x" * 20,
    "chunk appended": lambda e, _: e + e[body(e) : body(e) + SIZE],
    "chunk of another file": lambda e, o: (
        e[: body(e)] + o[body(o) : body(o) + SIZE] + e[body(e) + SIZE :]
    ),
    "salt": lambda e, _: with_header(e, salt="00" * 32),
    "empty body": lambda e, _: e[: body(e)],
    "cut inside a chunk": lambda e, _: e[: body(e) + SIZE + 50],
    "suite changed": lambda e, _: with_header(e, suite=other_suite(e)),
    "other head": lambda e, _: with_header(e, head="HEAD_2"),
    "commitment": lambda e, _: with_header(e, commitment="00" * 32),
    "other document": lambda e, _: with_header(e, document="other"),
    "other content": lambda e, _: with_header(e, content=sha256(b"other")),
    "other share": lambda e, _: with_header(e, share=1),
    "shorter": lambda e, _: with_header(e, length=3 * CHUNK)[: -100 - TAG],
    "shorter, and cut to fit": lambda e, _: with_header(e[: body(e) + 2 * SIZE], length=2 * CHUNK),
    "other chunks": lambda e, _: with_header(e, chunk=2 * CHUNK),
    "huge chunks": lambda e, _: with_header(e, chunk=1 << 40),
    "no length": lambda e, _: with_header(e, length=-1),
    "other version": lambda e, _: e[:8] + b"\x00\x02" + e[10:],
    "no magic": lambda e, _: b"X" + e[1:],
    "header cut": lambda e, _: e[:40],
    "nothing": lambda _, __: b"",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused(keys: Keys, sealed: bytes, attack: str) -> None:
    cipher = Cipher.AES_256 if read_header(sealed)[0].suite == "AES-256-GCM" else Cipher.AES_512
    other = seal(DATA, sealing(cipher), keys)
    changed = ATTACKS[attack](sealed, other)
    assert changed != sealed
    with pytest.raises(ChimeraError) as caught:
        unseal(changed, keys)
    assert caught.value.code in ("CHIM511", "CHIM513")


def test_another_key_is_refused_by_the_commitment(sealed: bytes) -> None:
    with pytest.raises(ChimeraError, match="sealed under another key") as caught:
        unseal(sealed, Keys())
    assert caught.value.code == "CHIM511"


def test_a_key_that_is_not_here_is_named(keys: Keys, sealed: bytes) -> None:
    with pytest.raises(ChimeraError, match="'k9' of HEAD_1") as caught:
        unseal(with_header(sealed, key="k9"), keys)
    assert caught.value.code == "CHIM514"


@pytest.mark.parametrize(
    "wanted", [{"head": "HEAD_2"}, {"document": "other"}, {"content": sha256(b"other")}]
)
def test_a_whole_file_of_something_else_is_refused(
    keys: Keys, sealed: bytes, wanted: dict[str, str]
) -> None:
    with pytest.raises(ChimeraError, match="sealed file is of") as caught:
        unseal(sealed, keys, **wanted)
    assert caught.value.code == "CHIM512"


def test_a_header_in_another_form_is_refused(keys: Keys, sealed: bytes) -> None:
    header, start = read_header(sealed)
    text = json.dumps(asdict(header), indent=1).encode()
    loose = struct.pack(">8sHI", sealed[:8], 1, len(text)) + text + sealed[start:]
    with pytest.raises(ChimeraError, match="canonical"):
        unseal(loose, keys)


def test_commitments_and_keys_of_different_artefacts_differ(keys: Keys) -> None:
    headers = [
        read_header(seal(b"x", sealing(cipher), keys))[0] for cipher in SUITES for _ in range(2)
    ]
    assert len({header.commitment for header in headers}) == 4
    assert len({header.salt for header in headers}) == 4


def test_a_header_needs_sizes_that_are_numbers(keys: Keys, sealed: bytes) -> None:
    header = read_header(sealed)[0].as_json()
    for changed in ({"length": "1"}, {"salt": "zz"}, {"kem": "AA=="}, {"share": "0"}, {"head": 1}):
        with pytest.raises(ChimeraError, match="not a seal's header"):
            SealHeader.from_json({**header, **changed})
    with pytest.raises(ChimeraError, match="not a seal's header"):
        SealHeader.from_json({"suite": "AES-256-GCM"})
