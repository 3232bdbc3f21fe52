from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import ShareStoreError
from chimera_pipelines.ring.gathering import Gathering
from chimera_pipelines.ring.seal import CHUNK
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.ring.shares import Manifest
from chimera_pipelines.ring.stores import ShareStore, Writer, open_stores
from chimera_pipelines.ring.stripes import Bare
from chimera_pipelines.ring.writing import Written, remake_shares, write_shares
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Hand

DATA = bytes(range(256)) * 20
DRAFT = Manifest(sha256(DATA), "d", "k", "m", len(DATA), CHUNK)


def opened(store: ShareStore, size: int) -> Writer:
    return store.write("x.share", size)


def write(root: Path) -> Written:
    stores = open_stores(root, HEAD_IDS)
    return write_shares(stores, opened, memoryview(DATA), DRAFT, Bare(), Hand())


def test_all_stores_have_the_same_manifest(tmp_path: Path) -> None:
    found = write(tmp_path)
    assert (found.held, found.lacking) == (HEAD_IDS, {})
    assert found.manifest.signer == "test:1"
    with Gathering(open_stores(tmp_path, HEAD_IDS), "x.share") as shares:
        assert len(shares.check()) == 4


@pytest.mark.parametrize("broken", [("HEAD_1",), ("HEAD_2", "HEAD_4")])
def test_three_stores_are_enough(tmp_path: Path, broken: tuple[str, ...]) -> None:
    for head in broken:
        (tmp_path / head).write_text("no folder")
    if len(broken) == 1:
        assert list(write(tmp_path).lacking) == ["HEAD_1"]
    else:
        with pytest.raises(ShareStoreError, match="HEAD_4"):
            write(tmp_path)
        assert not list(tmp_path.rglob("*.share*"))


def test_shares_that_belong_to_another_manifest_make_no_lost_ones(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "HEAD_4" / "x.share").unlink()
    with Gathering(open_stores(tmp_path, HEAD_IDS), "x.share") as shares:
        shares.check()
        false = ("sha256:" + "1" * 64,) * 4
        shares.found = {
            index: replace(share, manifest=replace(share.manifest, digests=false))
            for index, share in shares.group.items()
        }
        with pytest.raises(ShareError, match="do not give the lost ones"):
            remake_shares(shares, [3], opened, None)
    assert not (tmp_path / "HEAD_4" / "x.share").exists()
