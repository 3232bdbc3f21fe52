from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.shares import (
    ShareError,
    ShareHeader,
    ShareVersionError,
    read_header,
    read_share,
    write_share,
)

DATA = bytes(range(64))
HEADER = ShareHeader(sha256(b"x"), "h2_vqe", "vqe", "text/plain", 2, 2, 4, 100, sha256(DATA))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a" / "b.share"
    write_share(found, HEADER, memoryview(DATA))
    return found


def test_a_share_comes_back(path: Path) -> None:
    share = read_share(path)
    assert (share.header, share.data) == (HEADER, DATA)
    assert read_header(path) == HEADER


def test_every_flipped_bit_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(ShareError):
            read_share(path)


def test_every_cut_is_found_also_without_reading_the_share(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        for read in (read_share, read_header):
            with pytest.raises(ShareError):
                read(path)
    path.write_bytes(whole + b"\x00")
    with pytest.raises(ShareError, match="65 bytes of a share of 64"):
        read_header(path)


def test_another_version_is_told_apart_from_damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + b"\x00\x02" + whole[10:])
    with pytest.raises(ShareVersionError, match="it has version 2; this program reads version 1"):
        read_share(path)


def test_another_code_and_other_types_are_refused(path: Path) -> None:
    write_share(path, replace(HEADER, n=6), DATA)
    with pytest.raises(ShareError, match=r"\(6,2\) code"):
        read_share(path)
    write_share(path, replace(HEADER, length="100"), DATA)  # type: ignore[arg-type]
    with pytest.raises(ShareError, match="another type"):
        read_share(path)


def test_a_missing_file_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_share(tmp_path / "none.share")
    with pytest.raises(ShareError, match="cannot be read"):
        read_share(tmp_path)
