from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.protect import protected
from chimera_pipelines.ring.seal import CHUNK, Cipher, Sealing
from chimera_pipelines.ring.share_errors import ShareError, ShareVersionError, UnwrittenError
from chimera_pipelines.ring.shares import (
    Manifest,
    check_share,
    header_of,
    read_share,
    signature_holds,
    signed,
)
from chimera_pipelines.ring.stores import LocalReader, open_stores
from chimera_pipelines.ring.writing import write_shares
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Hand, Keys

BLOB = bytes(range(100))


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture(params=["none", "aes-256", "aes-2048"])
def path(tmp_path: Path, request: pytest.FixtureRequest, hand: Hand) -> Path:
    """The second of four shares."""
    stores = open_stores(tmp_path, HEAD_IDS)
    draft = Manifest(sha256(BLOB), "d", "k", "text/plain", len(BLOB), CHUNK)
    sealing = Sealing(Cipher(request.param), "HEAD_1", "d")
    manifest, cover = protected(draft, sealing, Keys(), HEAD_IDS)
    write_shares(
        stores, lambda s, n: s.write("x.share", n), memoryview(BLOB), manifest, cover, hand
    )
    return tmp_path / "HEAD_2" / "x.share"


def whole(path: Path) -> None:
    reader = LocalReader(path)
    try:
        check_share(reader, read_share(reader))
    finally:
        reader.close()


def test_a_share_says_what_it_is_of(path: Path, hand: Hand) -> None:
    reader = LocalReader(path)
    share = read_share(reader)
    check_share(reader, share)
    reader.close()
    assert (share.index, share.manifest.content, share.manifest.length) == (1, sha256(BLOB), 100)
    assert share.start % 4096 == 0
    assert signature_holds(share, hand)
    assert not signature_holds(share, Hand())
    forged = replace(share, manifest=replace(share.manifest, kernel="other"))
    assert not signature_holds(forged, hand)


def test_every_flipped_byte_is_found(path: Path) -> None:
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with pytest.raises(ShareError):
            whole(path)


def test_every_cut_is_found_also_without_reading_the_share(path: Path) -> None:
    data = path.read_bytes()
    for size in (0, 1, 9, 20, 100, 4095, len(data) - 60, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(ShareError):
            read_share(LocalReader(path))
    path.write_bytes(data + b"\x00")
    with pytest.raises(ShareError, match="bytes of a share of"):
        read_share(LocalReader(path))


def test_another_version_and_an_unwritten_slot_are_told_apart_from_damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\x00\x03" + data[10:])
    with pytest.raises(ShareVersionError, match="has version 3; this program reads versions 1 and"):
        whole(path)
    path.write_bytes(b"\x00" * 8 + data[8:])
    with pytest.raises(UnwrittenError):
        whole(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length": "100"}, "no size"),
        ({"chunk": 0}, "chunks of no bytes"),
        ({"digests": ("x",)}, "not four"),
        ({"cipher": Cipher.AES_256}, "0 seals"),
        ({"kernel": 7}, "no text"),
    ],
)
def test_manifests_that_make_no_sense_are_refused(change: dict[str, object], said: str) -> None:
    manifest = replace(Manifest(sha256(b""), "d", "k", "m", 0, CHUNK), **change)  # type: ignore[arg-type]
    with pytest.raises(ShareError, match=said):
        Manifest.parse(manifest.text())


def test_a_header_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    found = tmp_path / "x"
    manifest, signature = signed(Manifest(sha256(b""), "d", "k", "m", 0, CHUNK), None)
    head = bytearray(header_of(0, manifest, signature))
    struct.pack_into(">I", head, 12, 1 << 31)
    found.write_bytes(bytes(head))
    with pytest.raises(ShareError, match="claims"):
        read_share(LocalReader(found))
    found.write_bytes(bytes(head[:-4096]) + b"x" * 4096)
    with pytest.raises(ShareError):
        read_share(LocalReader(found))
