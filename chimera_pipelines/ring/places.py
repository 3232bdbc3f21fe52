"""Where content lies: a folder, or anything that fsspec reaches by a URL.

A folder is written beside the file, synced and renamed. Object stores (s3://, gs://, az://) show an
object whole or not at all. On other file systems a write that was cut off leaves a damaged file
under its name: the content store finds that by the digest, and the next `put` mends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ring.durable import write_atomically

if TYPE_CHECKING:
    from chimera_pipelines.digest import JSONValue

_USER = re.compile(r"//[^/@]*@")


def without_user(url: str) -> str:
    """The URL as messages may show it."""
    return _USER.sub("//", url)


class Place(Protocol):
    """Named bytes; a name is a relative path with `/`."""

    def read(self, name: str) -> bytes:
        """What lies under the name.

        Raises:
            FileNotFoundError: nothing does.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put data under the name, in place of what is there."""
        ...

    def holds(self, name: str) -> bool:
        """Whether something lies under the name."""
        ...

    def remove(self, name: str) -> None:
        """Let nothing lie under the name."""
        ...


class Folder:
    """A folder of this machine, or one that several machines mount."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        """The file's bytes."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Write the file atomically, unless it has these bytes already."""
        path = self.root / name
        if not (path.is_file() and path.read_bytes() == data):
            write_atomically(path, [data])

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).is_file()

    def remove(self, name: str) -> None:
        """Delete the file, if there is one."""
        (self.root / name).unlink(missing_ok=True)


class Remote:
    """What an fsspec URL names.

    Args:
        url: such as `s3://bucket/chimera`. Credentials come from where the library looks for them,
            never from the URL of a setting that ends in logs.

    Raises:
        SettingsError: CHIM759, no library knows the URL, or the place cannot be reached.
    """

    def __init__(self, url: str, **options: JSONValue) -> None:
        self.shown = without_user(url)
        with self._reaching():
            from fsspec.core import url_to_fs

            found = url_to_fs(url, **options)
            self._files: Any = found[0]
            self._root = str(found[1]).rstrip("/")

    def read(self, name: str) -> bytes:
        """The object's bytes."""
        with self._reaching():
            return bytes(self._files.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write the object: always, as reading it to compare costs as much."""
        path = self._path(name)
        with self._reaching():
            self._files.makedirs(self._files._parent(path), exist_ok=True)  # noqa: SLF001 - has no public name
            self._files.pipe_file(path, data)

    def holds(self, name: str) -> bool:
        """Whether there is such an object."""
        with self._reaching():
            return bool(self._files.exists(self._path(name)))

    def remove(self, name: str) -> None:
        """Delete the object, if there is one."""
        with self._reaching(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except ImportError as error:
            raise self._unusable(str(error), "install the library that it names") from None
        except Exception as error:  # noqa: BLE001 - each file system raises errors of its own
            text = f"{type(error).__name__}: {without_user(str(error))}"
            raise self._unusable(text, "see that it can be reached from this machine") from None

    def _unusable(self, reason: str, hint: str) -> SettingsError:
        return SettingsError("CHIM759", f"cannot use '{self.shown}': {reason}", hint=hint)


def place_of(where: Path | str) -> Place:
    """The place that a path or a URL names; `file://` URLs are folders.

    Raises:
        SettingsError: CHIM759, as `Remote`.
    """
    if isinstance(where, Path):
        return Folder(where)
    if where.startswith("file://"):
        return Folder(Path(unquote(where.removeprefix("file://"))).absolute())
    if "://" not in where:
        return Folder(Path(where).expanduser().absolute())
    return Remote(where)
