"""Where shares lie: four stores, one a head, on folders or on fsspec URLs.

A store knows files by relative paths and bytes at offsets, nothing of what they mean. `write` gives
a file that is whole or not there. `preallocate` gives a file of an exact size, overwritten in
place, which costs a twelfth of the first (evidence/performance.md §12); its owner must be able to
tell a torn one. What a store cannot do it says as `OSError`; `store_error` makes that a coded error
which names the store.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from chimera_pipelines.errors import SettingsError, ShareStoreError
from chimera_pipelines.ring.durable import Bytes, make_folder, sync_folder

EMPTY = bytes(8)  # where a share has its magic: a slot that begins so holds nothing
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reader(Protocol):
    """An open file of a store."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` with the bytes from `offset` on; from any thread.

        Raises:
            OSError: as the store gives it; EIO where the file ends before.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Writer(Protocol):
    """A file that is being written."""

    def write(self, offset: int, data: Bytes) -> None:
        """Put bytes at an offset; from any thread."""
        ...

    def commit(self) -> None:
        """End it: from now on readers see the file."""
        ...

    def abort(self) -> None:
        """End it without a whole file."""
        ...


class ShareStore(Protocol):
    """One head's share store. Every method may raise `OSError`."""

    @property
    def name(self) -> str:
        """The head."""
        ...

    @property
    def where(self) -> str:
        """Folder or URL, for messages."""
        ...

    def list(self, folder: str) -> list[str]:
        """Paths of all files below a folder, sorted; none where it does not exist."""
        ...

    def read(self, path: str) -> Reader:
        """Open a file; `FileNotFoundError` where there is none."""
        ...

    def write(self, path: str, size: int) -> Writer:
        """A file of `size` bytes that appears whole at `commit`, and then outlasts a crash."""
        ...

    def preallocate(self, path: str, size: int) -> Writer:
        """A file of exactly `size` bytes, overwritten in place; a kill may leave it torn."""
        ...

    def clear(self, path: str) -> None:
        """Make a preallocated file hold nothing; its space may stay taken."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; one that is gone already is no error."""
        ...


class LocalReader:
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """As `Reader`."""
        while len(buffer):
            got = os.preadv(self._descriptor, [buffer], offset)
            if not got:
                raise OSError(errno.EIO, "it is cut off")
            buffer, offset = buffer[got:], offset + got

    def close(self) -> None:
        """As `Reader`."""
        os.close(self._descriptor)


class LocalWriter:
    """A file of this machine; with `final` it is synced and renamed to that at `commit`."""

    def __init__(self, path: Path, size: int, *, final: Path | None = None) -> None:
        self._path, self._final = path, final
        made = os.O_CREAT | (os.O_EXCL if final else 0)
        self._descriptor = os.open(path, os.O_RDWR | made | os.O_CLOEXEC, 0o600)
        try:
            # Space is taken now: a full disk is an error here, and never one in the middle.
            os.ftruncate(self._descriptor, size)
            if size:
                os.posix_fallocate(self._descriptor, 0, size)
        except BaseException:
            self.abort()
            raise

    def write(self, offset: int, data: Bytes) -> None:
        """As `Writer`."""
        view = memoryview(data).cast("B")
        while len(view):
            put = os.pwrite(self._descriptor, view, offset)
            view, offset = view[put:], offset + put

    def commit(self) -> None:
        """As `Writer`."""
        try:
            if self._final is not None:
                os.fsync(self._descriptor)
                self._path.replace(self._final)
        except BaseException:
            self.abort()
            raise
        os.close(self._descriptor)
        if self._final is not None:
            sync_folder(self._final.parent)

    def abort(self) -> None:
        """As `Writer`."""
        os.close(self._descriptor)
        if self._final is not None:
            self._path.unlink(missing_ok=True)


class LocalStore:
    """A store in a folder.

    Args:
        name: the head.
        root: the folder, made when something is written.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.root)

    def list(self, folder: str) -> list[str]:
        """As `ShareStore`."""
        found = []
        for base, _, names in os.walk(self.root / folder):
            below = Path(base).relative_to(self.root)
            found += [str(below / name) for name in names if not name.startswith(".")]
        return sorted(found)

    def read(self, path: str) -> LocalReader:
        """As `ShareStore`."""
        return LocalReader(self.root / path)

    def write(self, path: str, size: int) -> LocalWriter:
        """As `ShareStore`."""
        final = self.root / path
        make_folder(final.parent)
        draft = final.with_name(f".{final.name}.{secrets.token_hex(8)}")
        return LocalWriter(draft, size, final=final)

    def preallocate(self, path: str, size: int) -> LocalWriter:
        """As `ShareStore`."""
        place = self.root / path
        make_folder(place.parent)
        return LocalWriter(place, size)

    def clear(self, path: str) -> None:
        """As `ShareStore`."""
        with suppress(FileNotFoundError), (self.root / path).open("r+b", buffering=0) as file:
            file.write(EMPTY)

    def delete(self, path: str) -> None:
        """As `ShareStore`."""
        (self.root / path).unlink(missing_ok=True)


def open_stores(
    root: Path, heads: Sequence[str], urls: Sequence[str] = ()
) -> tuple[ShareStore, ...]:
    """The stores of the heads, in order: those of `urls`, or folders of `root`.

    Raises:
        SettingsError: CHIM508, there are not as many different URLs as heads, or one is unusable.
    """
    if not urls:
        return tuple(LocalStore(head, root / head) for head in heads)
    if len(urls) != len(heads) or len(set(urls)) != len(heads):
        raise SettingsError(
            "CHIM508",
            f"CHIMERA_SHARE_STORES names {len(set(urls))} different stores for {len(heads)} heads",
            hint='a JSON list of four, such as ["/a", "/b", "s3://bucket/c", "file:///d"]',
        )
    return tuple(_open(head, url) for head, url in zip(heads, urls, strict=True))


def _open(head: str, url: str) -> ShareStore:
    if "://" not in url or url.startswith("file://"):
        return LocalStore(head, Path(url.removeprefix("file://")).expanduser().absolute())
    from chimera_pipelines.ring.remote_store import RemoteStore

    return RemoteStore(head, url)


def store_error(store: ShareStore, error: OSError) -> ShareStoreError:
    """CHIM507 for a full store, CHIM506 for one that cannot be written otherwise."""
    place = f"share store of {store.name} at '{store.where}'"
    if error.errno in FULL:
        hint = "make room there, then 'chimera checkpoint repair'"
        return ShareStoreError("CHIM507", f"{place} is full", hint=hint)
    return ShareStoreError(
        "CHIM506",
        f"{place} cannot be written: {reason(error)}",
        hint="mend it or its permissions, then 'chimera checkpoint repair'",
    )


def reason(error: OSError) -> str:
    """What the system said, lower case."""
    return (error.strerror or str(error)).lower()
