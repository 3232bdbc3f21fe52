from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.code import encode
from chimera_pipelines.ring.reports import ShareStatus
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.ring.shares import check_share, read_share
from chimera_pipelines.ring.shares_v1 import ShareHeader, share_file
from chimera_pipelines.ring.stores import LocalReader
from chimera_pipelines.settings import HEAD_IDS

BLOB = bytes(range(100))


def header(index: int, data: bytes, **changed: object) -> ShareHeader:
    made = ShareHeader(
        sha256(BLOB), "h2_vqe", "vqe", "text/plain", index, 2, 4, len(BLOB), sha256(data)
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    """A ring as version 1 wrote it."""
    made = Ring(tmp_path)
    for index, data in enumerate(encode(BLOB)):
        path = tmp_path / HEAD_IDS[index] / made.path(sha256(BLOB))
        path.parent.mkdir(parents=True)
        path.write_bytes(share_file(header(index, bytes(data)), data))
    return made


def whole(path: Path) -> None:
    reader = LocalReader(path)
    try:
        check_share(reader, read_share(reader))
    finally:
        reader.close()


def test_a_ring_of_version_1_is_read(ring: Ring) -> None:
    (report,) = ring.verify()
    assert (report.ok, report.document, report.kernel, report.bytes) == (True, "h2_vqe", "vqe", 100)
    for lost in HEAD_IDS[:2]:
        assert ring.rebuild(sha256(BLOB), lost=frozenset({lost})) == BLOB
    kept = ring.store(BLOB, document="d", kernel="k", media="text/plain")
    assert kept.shares == HEAD_IDS
    assert (ring.root / "HEAD_1" / ring.path(kept.id)).read_bytes()[8:10] == b"\x00\x01"


def test_what_is_lost_of_version_1_is_repaired(ring: Ring) -> None:
    (ring.root / "HEAD_2" / ring.path(sha256(BLOB))).unlink()
    (report,) = ring.repair()
    assert report.ok
    assert ring.rebuild(sha256(BLOB)) == BLOB


@pytest.mark.parametrize("bad", range(4))
def test_a_false_share_with_true_digests_is_located_by_the_code(ring: Ring, bad: int) -> None:
    path = ring.root / HEAD_IDS[bad] / ring.path(sha256(BLOB))
    forged = b"\x01" + bytes(encode(BLOB)[bad])[1:]
    path.write_bytes(share_file(header(bad, forged), forged))
    (report,) = ring.verify()
    assert [share.status for share in report.shares].count(ShareStatus.CORRUPT) == 1
    assert report.shares[bad].status == "corrupt"
    assert ring.rebuild(sha256(BLOB)) == BLOB


def test_every_flipped_bit_and_every_cut_is_found(ring: Ring) -> None:
    path = ring.root / "HEAD_3" / ring.path(sha256(BLOB))
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with pytest.raises(ShareError):
            whole(path)
        path.write_bytes(data[:at])
        with pytest.raises(ShareError):
            whole(path)
    path.write_bytes(data + b"\x00")
    with pytest.raises(ShareError, match="65 bytes of a share of 64"):
        whole(path)


def test_another_code_and_other_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.share"
    path.write_bytes(share_file(header(2, b"", n=6), b""))
    with pytest.raises(ShareError, match=r"\(6,2\) code"):
        whole(path)
    path.write_bytes(share_file(header(2, b"", length="100"), b""))
    with pytest.raises(ShareError, match="another type"):
        whole(path)
