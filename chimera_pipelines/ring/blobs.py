"""The content store: bytes by their SHA-256, checked when read.

It lies under `CHIMERA_HOME/blobs`, or behind `CHIMERA_STORE_URL` where several machines share it.
"""

from __future__ import annotations

import re
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError, UsageError
from chimera_pipelines.ring.places import Folder, place_of

_ID = re.compile(r"sha256:([0-9a-f]{64})\Z")


def hex_of(content: str) -> str:
    """The 64 hex digits of a content id.

    Raises:
        UsageError: CHIM211, the text is no content id (so it never becomes a path).
    """
    found = _ID.match(content)
    if found is None:
        raise UsageError(
            "CHIM211", f"'{content}' is no content id", hint="sha256: and 64 hex digits"
        )
    return found[1]


class ContentStore:
    """Bytes addressed by their digest; equal bytes are stored once.

    Args:
        where: a folder, made when something is put, or an fsspec URL.

    Raises:
        SettingsError: CHIM759, here and in each method: a URL that cannot be reached.
    """

    def __init__(self, where: Path | str) -> None:
        self._place = place_of(where)

    def path(self, content: str) -> Path:
        """Where the bytes of a content id lie in a store that is a folder, stored or not."""
        if not isinstance(self._place, Folder):
            raise TypeError("a store behind a URL has no paths")
        return self._place.root / _name(content)

    def exists(self, content: str) -> bool:
        """Whether something is stored under the id; `get` says whether it is whole."""
        return self._place.holds(_name(content))

    def put(self, data: bytes, media: str = "application/octet-stream") -> str:
        """Store bytes; gives their content id. Damaged bytes under the same id are replaced.

        Args:
            data: what to store.
            media: its media type. It is no part of the address and is not kept here: whoever
                refers to the bytes (a `$blob` object, a checkpoint) carries it.
        """
        del media
        content = sha256(data)
        self._place.write(_name(content), data)
        return content

    def get(self, content: str) -> bytes:
        """The bytes of a content id.

        Raises:
            CheckpointError: CHIM503 nothing is stored under it, CHIM504 what is stored is damaged.
        """
        try:
            data = self._place.read(_name(content))
        except FileNotFoundError:
            raise CheckpointError(
                "CHIM503",
                f"'{content}' is not stored here",
                hint="run the kernel again with --force",
            ) from None
        if sha256(data) != content:
            raise CheckpointError(
                "CHIM504",
                f"'{content}' is damaged: its bytes have another digest",
                hint="run the kernel again with --force",
            )
        return data


def _name(content: str) -> str:
    digits = hex_of(content)
    return f"{digits[:2]}/{digits[2:]}"
