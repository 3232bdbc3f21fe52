from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import ChimeraError, ExitCode, SettingsError
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.ring.stores import (
    LocalStore,
    LocalWriter,
    ShareStore,
    open_stores,
    store_error,
)
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Hand, Keys

Make = Callable[[], ShareStore]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ShareStore:
    place = str(tmp_path) if request.param == "local" else f"memory://{tmp_path}"
    urls = [f"{place}/{n}" for n in range(4)]
    return open_stores(tmp_path, HEAD_IDS, urls)[2]


def put(store: ShareStore, path: str, data: bytes, *, in_place: bool = False) -> None:
    writer = (store.preallocate if in_place else store.write)(path, len(data))
    writer.write(0, data[:2])
    writer.write(2, data[2:])
    writer.commit()


def content(store: ShareStore, path: str) -> bytes:
    reader = store.read(path)
    data = bytearray(reader.size)
    reader.read_into(0, memoryview(data))
    reader.close()
    return bytes(data)


def test_files_are_written_read_listed_and_deleted(store: ShareStore) -> None:
    assert store.name == "HEAD_3"
    assert store.list("") == store.list("a") == []
    put(store, "a/b.share", b"hello")
    put(store, "a/c/d.state", b"longer", in_place=True)
    put(store, "a/c/d.state", b"four", in_place=True)
    assert content(store, "a/b.share") == b"hello"
    assert content(store, "a/c/d.state") == b"four"
    assert store.list("") == ["a/b.share", "a/c/d.state"]
    assert store.list("a/c") == ["a/c/d.state"]
    reader = store.read("a/b.share")
    part = bytearray(2)
    reader.read_into(3, memoryview(part))
    assert part == b"lo"
    with pytest.raises(OSError, match="cut off"):
        reader.read_into(4, memoryview(part))
    store.delete("a/b.share")
    store.delete("a/b.share")
    store.clear("a/nothing")
    assert store.list("") == ["a/c/d.state"]
    with pytest.raises(FileNotFoundError):
        store.read("a/b.share")


def test_what_is_not_committed_is_not_there(store: ShareStore) -> None:
    writer = store.write("x", 4)
    writer.write(0, b"four")
    writer.abort()
    assert store.list("") == []


def test_a_cleared_slot_holds_nothing(store: ShareStore) -> None:
    put(store, "x", b"CHIMSHAR and more", in_place=True)
    store.clear("x")
    assert store.list("") in ([], ["x"])
    if store.list(""):
        assert content(store, "x")[:8] == bytes(8)


@pytest.mark.parametrize(
    "urls", [["/a"], ["/a", "/b", "/c", "/c"], ["/a", "/b", "/c", "nowhere://x"]]
)
def test_stores_that_are_not_four_are_refused(tmp_path: Path, urls: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        open_stores(tmp_path, HEAD_IDS, urls)
    assert caught.value.code == "CHIM508"


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    urls = ["/a", "/b", "/c", "nowhere://user:secret@host/x"]
    with pytest.raises(SettingsError) as caught:
        open_stores(tmp_path, HEAD_IDS, urls)
    assert "secret" not in str(caught.value)


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    stores = open_stores(tmp_path, HEAD_IDS, [f"file://{tmp_path}/{n}" for n in range(4)])
    put(stores[1], "x", b"data")
    assert (tmp_path / "1" / "x").read_bytes() == b"data"


def test_errors_name_the_store_and_what_to_do() -> None:
    store = LocalStore("HEAD_2", Path("/somewhere"))
    full = store_error(store, OSError(errno.ENOSPC, "No space left on device"))
    assert (full.code, full.exit_code) == ("CHIM507", ExitCode.USAGE)
    assert full.message == "share store of HEAD_2 at '/somewhere' is full"
    away = store_error(store, OSError(errno.EROFS, "Read-only file system"))
    assert (away.code, away.message) == (
        "CHIM506",
        "share store of HEAD_2 at '/somewhere' cannot be written: read-only file system",
    )


@pytest.fixture
def four(tmp_path: Path) -> list[str]:
    """Two folders elsewhere and two places of fsspec."""
    return [
        str(tmp_path / "one"),
        f"file://{tmp_path}/two",
        f"memory://{tmp_path}/three",
        f"memory://{tmp_path}/four",
    ]


def test_a_ring_over_folders_and_urls(tmp_path: Path, four: list[str]) -> None:
    ring = Ring(tmp_path / "ring", urls=four, keys=Keys())
    sealing = Sealing(Cipher.AES_512, "HEAD_1", "d")
    kept = ring.store(b"x" * 999, document="d", kernel="k", media="m", sealing=sealing)
    assert ring.rebuild(kept.id, lost=frozenset({"HEAD_1", "HEAD_2"})) == b"x" * 999
    ring.stores[3].delete(ring.path(kept.id))
    (report,) = ring.repair()
    assert report.ok
    assert not (tmp_path / "ring").exists()


def test_states_over_folders_and_urls(tmp_path: Path, four: list[str]) -> None:
    hand = Hand()
    states = StateStore(
        tmp_path / "ring", keys=Keys(), signers=lambda _: hand, verifier=hand, urls=four
    )
    key = StateKey("run", "k")
    for n in range(4):
        data = bytes([n]) * 4000
        states.save(key, data, head="HEAD_1", document="d")
        assert states.load(key, lost=frozenset({"HEAD_1", "HEAD_2"})) == data
    assert [one.ok for one in states.verify()] == [True, True]
    states.release("run")
    assert states.stores[2].list("") == states.stores[0].list("") == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("when", ["open", "write", "commit"])
def test_a_store_that_fails_in_any_moment_leaves_three_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, when: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    def broken(self: LocalStore, path: str, size: int) -> LocalWriter:
        if self.name == "HEAD_3":
            if when == "open":
                refused()
            writer = made(self, path, size)
            setattr(writer, when, refused)
            return writer
        return made(self, path, size)

    made = LocalStore.write
    ring = Ring(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "write", broken)
        kept = ring.store(b"data" * 999, document="d", kernel="k", media="m")
    assert kept.shares == ("HEAD_1", "HEAD_2", "HEAD_4")
    assert "share store of HEAD_3" in kept.lacking["HEAD_3"]
    assert ring.rebuild(kept.id) == b"data" * 999
    assert [share.status for share in ring.verify()[0].shares] == ["ok", "ok", "missing", "ok"]
    (report,) = ring.repair()
    assert report.ok


def test_a_full_disk_is_met_when_space_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(ChimeraError, match="is full; share store of HEAD_2") as caught:
        Ring(tmp_path).store(b"data", document="d", kernel="k", media="m")
    assert caught.value.code == "CHIM507"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
