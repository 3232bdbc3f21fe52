from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.gathering import Gathering
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Keys

BLOB = b"what a kernel made" * 50


def store(root: Path, keys: Keys, cipher: Cipher = Cipher.AES_256) -> tuple[Ring, str]:
    ring = Ring(root, keys=keys)
    kept = ring.store(
        BLOB, document="d", kernel="k", media="m", sealing=Sealing(cipher, "HEAD_1", "d")
    )
    return ring, ring.path(kept.id)


def test_the_fullest_group_counts(tmp_path: Path) -> None:
    """One store has the share of another save, with another salt."""
    keys = Keys()
    ring, path = store(tmp_path / "one", keys)
    store(tmp_path / "two", keys)
    (tmp_path / "one" / "HEAD_3" / path).write_bytes(
        (tmp_path / "two" / "HEAD_3" / path).read_bytes()
    )
    with Gathering(ring.stores, path) as shares:
        assert sorted(shares.settle()) == [0, 1, 3]
        assert "another save" in str(shares.found[2])
        assert bytes(shares.rebuild(keys) or b"") == BLOB


def test_what_is_given_as_lost_is_not_read(tmp_path: Path) -> None:
    keys = Keys()
    ring, path = store(tmp_path, keys)
    with Gathering(ring.stores, path, lost=frozenset(HEAD_IDS[:3])) as shares:
        assert sorted(shares.found) == [3]
        assert shares.rebuild(keys) is None
        assert "HEAD_1: given as lost" in shares.beyond_repair("it").message


def test_a_reason_keeps_a_share_out(tmp_path: Path) -> None:
    ring, path = store(tmp_path, Keys())
    refuse = lambda share: "not wanted" if share.index == 0 else None  # noqa: E731
    with Gathering(ring.stores, path, accept=refuse) as shares:
        assert sorted(shares.group) == [1, 2, 3]
        assert isinstance(shares.found[0], ShareError)


def test_a_flip_in_two_shares_leaves_a_pair_that_opens(tmp_path: Path) -> None:
    """Without any digest, the seal tells which pair is good."""
    keys = Keys()
    ring, path = store(tmp_path, keys)
    for head in ("HEAD_1", "HEAD_4"):
        file = tmp_path / head / path
        data = bytearray(file.read_bytes())
        data[-1 if head == "HEAD_1" else 4100] ^= 1
        file.write_bytes(data)
    with Gathering(ring.stores, path) as shares:
        assert bytes(shares.rebuild(keys, in_order=True) or b"") == BLOB
        assert sorted(shares.check()) == [1, 2]


@pytest.mark.parametrize("cipher", [Cipher.AES_256, Cipher.AES_2048])
def test_what_is_sealed_wants_keys(tmp_path: Path, cipher: Cipher) -> None:
    ring, path = store(tmp_path, Keys(), cipher)
    with Gathering(ring.stores, path) as shares, pytest.raises(SettingsError) as caught:
        shares.rebuild(None)
    assert caught.value.code == "CHIM514"


def test_repair_of_aes_2048_wants_keys_and_makes_the_same_bytes(tmp_path: Path) -> None:
    keys = Keys()
    ring, path = store(tmp_path, keys, Cipher.AES_2048)
    file = tmp_path / "HEAD_2" / path
    before = file.read_bytes()
    file.unlink()
    with pytest.raises(SettingsError, match="no keys are at hand"):
        Ring(tmp_path).repair()
    assert not file.exists()
    (report,) = ring.repair()
    assert report.ok
    assert file.read_bytes() == before
