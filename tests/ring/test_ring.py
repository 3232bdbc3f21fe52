from __future__ import annotations

import os
import shutil
import stat
import threading
from itertools import combinations
from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError, ExitCode, UsageError
from chimera_pipelines.ring.reports import ShareStatus
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.settings import HEAD_IDS

BLOB = bytes(range(256)) * 5 + b"end"


def file_of(ring: Ring, index: int, blob: bytes = BLOB) -> Path:
    return ring.root / HEAD_IDS[index] / ring.path(sha256(blob))


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    found = Ring(tmp_path / "ring")
    found.store(BLOB, document="h2_vqe", kernel="vqe", media="text/plain")
    return found


def _statuses(ring: Ring) -> list[str]:
    (report,) = ring.verify()
    return [str(share.status) for share in report.shares]


def test_a_checkpoint_has_a_share_with_every_head(ring: Ring) -> None:
    again = ring.store(BLOB, document="other", kernel="k", media="text/plain")
    assert (again.id, again.bytes, again.shares) == (sha256(BLOB), len(BLOB), HEAD_IDS)
    for reports in (ring.verify(), ring.ls()):
        (report,) = reports
        assert report.ok
        assert report.as_json() == {
            "id": sha256(BLOB),
            "document": "h2_vqe",
            "kernel": "vqe",
            "bytes": len(BLOB),
            "encryption": "none",
            "ok": True,
            "shares": [{"head": h, "index": i, "status": "ok"} for i, h in enumerate(HEAD_IDS)],
        }


@pytest.mark.parametrize("lost", list(combinations(HEAD_IDS, 2)))
def test_any_two_heads_may_be_lost(ring: Ring, lost: tuple[str, str]) -> None:
    assert ring.rebuild(sha256(BLOB), lost=frozenset(lost)) == BLOB
    for head in lost:
        shutil.rmtree(ring.root / head)
    assert ring.rebuild(sha256(BLOB)) == BLOB
    (report,) = ring.verify()
    assert not report.ok
    assert report.repairable
    missing = {share.head for share in report.shares if share.status is ShareStatus.MISSING}
    assert missing == set(lost)


def test_three_lost_are_beyond_repair(ring: Ring) -> None:
    with pytest.raises(CheckpointError, match="HEAD_1: given as lost") as caught:
        ring.rebuild(sha256(BLOB), lost=frozenset(HEAD_IDS[:3]))
    assert caught.value.exit_code is ExitCode.BEYOND_REPAIR
    assert caught.value.code == "CHIM501"
    for head in HEAD_IDS[1:]:
        shutil.rmtree(ring.root / head)
    with pytest.raises(CheckpointError, match="HEAD_4: missing"):
        ring.rebuild(sha256(BLOB))
    (report,) = ring.verify()
    assert not report.repairable


@pytest.mark.parametrize("bad", range(4))
def test_a_damaged_share_is_located_and_not_used(ring: Ring, bad: int) -> None:
    path = file_of(ring, bad)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        assert _statuses(ring) == ["corrupt" if index == bad else "ok" for index in range(4)]
        for other in range(4):
            if other != bad:
                lost = frozenset({HEAD_IDS[other]})
                assert ring.rebuild(sha256(BLOB), lost=lost) == BLOB


def test_a_share_in_the_place_of_another_counts_as_corrupt(ring: Ring) -> None:
    one, two = (file_of(ring, index) for index in (0, 1))
    two.write_bytes(one.read_bytes())
    (report,) = ring.ls()
    assert report.shares[1].status is ShareStatus.CORRUPT
    assert "it is share 0" in str(report.shares[1].detail)


def test_storing_again_mends_what_is_damaged(ring: Ring) -> None:
    file_of(ring, 1).write_bytes(b"")
    file_of(ring, 3).unlink()
    ring.store(BLOB, document="h2_vqe", kernel="vqe", media="text/plain")
    assert _statuses(ring) == ["ok"] * 4


def test_shares_of_another_version_are_named(ring: Ring) -> None:
    for index in range(3):
        path = file_of(ring, index)
        whole = path.read_bytes()
        path.write_bytes(whole[:8] + b"\x00\x03" + whole[10:])
    with pytest.raises(CheckpointError, match="HEAD_2: it has version 3") as caught:
        ring.rebuild(sha256(BLOB))
    assert caught.value.code == "CHIM502"


def test_only_content_ids_become_paths(ring: Ring) -> None:
    for text in ("../../etc/passwd", "sha256:../x", "sha256:" + "A" * 64, ""):
        with pytest.raises(UsageError):
            ring.rebuild(text)
    (ring.root / "HEAD_1" / "ab").mkdir()
    (ring.root / "HEAD_1" / "ab" / "stray.share").write_bytes(b"")
    assert [report.id for report in ring.verify()] == [sha256(BLOB)]


def test_an_empty_ring_has_no_checkpoints(tmp_path: Path) -> None:
    assert Ring(tmp_path / "none").verify() == []
    with pytest.raises(CheckpointError):
        Ring(tmp_path / "none").rebuild(sha256(b""))
    with pytest.raises(UsageError):
        Ring(tmp_path, heads=("HEAD_1", "HEAD_1", "HEAD_2", "HEAD_3"))


def test_an_empty_blob_can_be_kept(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    found = ring.store(b"", document="d", kernel="k", media="text/plain")
    assert ring.rebuild(found.id) == b""


def test_shares_wait_for_the_disk_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=60)
    sync = os.fsync

    def slow(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            together.wait()
        sync(descriptor)

    monkeypatch.setattr("os.fsync", slow)
    found = Ring(tmp_path).store(BLOB, document="d", kernel="k", media="text/plain")
    assert Ring(tmp_path).rebuild(found.id) == BLOB


def test_a_broken_store_is_named_and_three_shares_suffice(tmp_path: Path) -> None:
    (tmp_path / "HEAD_3").write_text("no folder")
    ring = Ring(tmp_path)
    found = ring.store(BLOB, document="d", kernel="k", media="text/plain")
    assert found.shares == ("HEAD_1", "HEAD_2", "HEAD_4")
    assert "share store of HEAD_3 at" in found.lacking["HEAD_3"]
    with pytest.raises(CheckpointError, match="share store of HEAD_3 at") as caught:
        ring.repair()
    assert caught.value.code == "CHIM506"
    (tmp_path / "HEAD_3").unlink()
    (report,) = ring.repair()
    assert report.ok


def test_two_broken_stores_are_too_many(tmp_path: Path) -> None:
    for head in ("HEAD_1", "HEAD_3"):
        (tmp_path / head).write_text("no folder")
    with pytest.raises(CheckpointError, match=r"share store of HEAD_1 .*; share store of HEAD_3"):
        Ring(tmp_path).store(BLOB, document="d", kernel="k", media="text/plain")
    assert Ring(tmp_path).ls() == []
