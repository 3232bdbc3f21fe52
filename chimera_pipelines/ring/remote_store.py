"""A share store on an fsspec URL: object stores, memory, other machines.

Objects are put whole, so `preallocate` is `write`: what an object store replaces it replaces at
once. Errors of the drivers are all told as `OSError`, the one kind that the ring expects of stores.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.places import without_user


class RemoteReader:
    """An object, read by ranges."""

    def __init__(self, files: Any, path: str) -> None:
        self._files, self._path = files, path
        with _as_os_error():
            self.size = int(files.size(path))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """As `stores.Reader`."""
        with _as_os_error():
            data = self._files.cat_file(self._path, start=offset, end=offset + len(buffer))
        if len(data) != len(buffer):
            raise OSError(errno.EIO, "it is cut off")
        buffer[:] = data

    def close(self) -> None:
        """As `stores.Reader`: nothing is held."""


class RemoteWriter:
    """An object that is collected in memory and put at `commit`."""

    def __init__(self, files: Any, path: str, size: int) -> None:
        self._files, self._path, self._data = files, path, bytearray(size)

    def write(self, offset: int, data: Bytes) -> None:
        """As `stores.Writer`."""
        view = memoryview(data).cast("B")
        self._data[offset : offset + len(view)] = view

    def commit(self) -> None:
        """As `stores.Writer`."""
        with _as_os_error():
            self._files.makedirs(self._path.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(self._path, bytes(self._data))

    def abort(self) -> None:
        """As `stores.Writer`: nothing was put."""


class RemoteStore:
    """A store on an fsspec URL.

    Args:
        name: the head.
        url: such as `s3://bucket/folder`.

    Raises:
        SettingsError: CHIM508, no driver for the URL is installed.
    """

    def __init__(self, name: str, url: str) -> None:
        from fsspec.core import url_to_fs

        self.name, self.where = name, without_user(url)
        try:
            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SettingsError(
                "CHIM508", f"share store '{self.where}': {error}", hint="install its fsspec driver"
            ) from None
        self._root = root.rstrip("/")

    def list(self, folder: str) -> list[str]:
        """As `stores.ShareStore`."""
        base = f"{self._root}/{folder}".rstrip("/")
        with _as_os_error():
            self._files.invalidate_cache()
            found = self._files.find(base) if self._files.exists(base) else []
        return sorted(path[path.index(self._root) + len(self._root) + 1 :] for path in found)

    def read(self, path: str) -> RemoteReader:
        """As `stores.ShareStore`."""
        return RemoteReader(self._files, self._path(path))

    def write(self, path: str, size: int) -> RemoteWriter:
        """As `stores.ShareStore`."""
        return RemoteWriter(self._files, self._path(path), size)

    preallocate = write

    def delete(self, path: str) -> None:
        """As `stores.ShareStore`."""
        with _as_os_error():
            if self._files.exists(self._path(path)):
                self._files.rm_file(self._path(path))

    clear = delete

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error
