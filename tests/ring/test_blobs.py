from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError, ExitCode, UsageError
from chimera_pipelines.ring.blobs import ContentStore


def test_bytes_come_back_by_their_digest(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "blobs")
    content = store.put(b"hello", media="text/plain")
    assert content == sha256(b"hello")
    assert store.get(content) == b"hello"
    assert store.exists(content)
    assert store.put(b"hello", media="text/plain") == content
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert files == [store.path(content)]


def test_damage_is_found_when_read_and_mended_when_put_again(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    content = store.put(b"hello", media="text/plain")
    store.path(content).write_bytes(b"hellO")
    with pytest.raises(CheckpointError, match="damaged") as caught:
        store.get(content)
    assert caught.value.exit_code is ExitCode.BEYOND_REPAIR
    store.put(b"hello", media="text/plain")
    assert store.get(content) == b"hello"


def test_a_store_behind_a_url_is_the_same_store(tmp_path: Path) -> None:
    """Damage is put there by hand; two objects for one URL stand for two machines."""
    url = f"memory://{tmp_path}"
    here, there = ContentStore(url), ContentStore(url)
    content = here.put(b"hello")
    assert (there.exists(content), there.get(content)) == (True, b"hello")
    digits = content.removeprefix("sha256:")
    here._place.write(f"{digits[:2]}/{digits[2:]}", b"hellO")
    with pytest.raises(CheckpointError, match="damaged"):
        there.get(content)
    there.put(b"hello")
    assert here.get(content) == b"hello"
    with pytest.raises(CheckpointError, match="not stored"):
        there.get(sha256(b"x"))
    with pytest.raises(TypeError):
        here.path(content)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    assert not store.exists(sha256(b"x"))
    with pytest.raises(CheckpointError, match="not stored"):
        store.get(sha256(b"x"))


@pytest.mark.parametrize("text", ["", "sha256:", "../x", "sha256:" + "g" * 64, "md5:" + "0" * 64])
def test_only_content_ids_become_paths(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        ContentStore(tmp_path).path(text)
