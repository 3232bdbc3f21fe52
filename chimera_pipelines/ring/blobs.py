"""The content store: bytes by their SHA-256, checked when read.

It lies under `CHIMERA_HOME/blobs`, or behind `CHIMERA_STORE_URL` where several machines share it.

What a document wants encrypted at rest lies beside its plain name with the suffix `.sealed`; under
aes-2048, whose shares are each under another head's key, it lies on the ring. Readers do not see
the difference. Equal bytes are stored once, so what one document sealed stays sealed when another
one puts the same bytes in the open, and its reader opens it with the keys of this gateway.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError, ChimeraError, SettingsError, UsageError
from chimera_pipelines.ring import seal_file
from chimera_pipelines.ring.places import Folder, Place, place_of
from chimera_pipelines.ring.seal import Cipher, Sealing
from chimera_pipelines.ring.trust import HeadKeys

_SEALED = ".sealed"
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


class SplitStore(Protocol):
    """Where aes-2048 artefacts lie; a `Ring` is one."""

    def store(
        self, content: bytes, *, document: str, kernel: str, media: str, sealing: Sealing
    ) -> object:
        """Keep the bytes as shares."""
        ...

    def rebuild(self, checkpoint: str) -> bytes:
        """The bytes of a content id."""
        ...

    def holds(self, checkpoint: str) -> bool:
        """Whether there are shares of a content id."""
        ...


class ContentStore:
    """Bytes addressed by their digest; equal bytes are stored once.

    Args:
        where: a folder, made when something is put, or an fsspec URL.
        keys: of the heads, to seal and to open.
        split: where aes-2048 artefacts lie.
        sealing: how what is put is sealed; None leaves it in the open.

    Raises:
        SettingsError: CHIM759, here and in each method: a URL that cannot be reached.
    """

    def __init__(
        self,
        where: Path | str | Place,
        *,
        keys: HeadKeys | None = None,
        split: SplitStore | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self._place = place_of(where) if isinstance(where, Path | str) else where
        self._keys, self._split, self._sealing = keys, split, sealing

    def sealing(self, sealing: Sealing | None) -> ContentStore:
        """The same store for a document whose artefacts are sealed so."""
        return ContentStore(self._place, keys=self._keys, split=self._split, sealing=sealing)

    def path(self, content: str) -> Path:
        """Where the bytes of a content id lie in the open in a folder, stored or not."""
        if not isinstance(self._place, Folder):
            raise TypeError("a store behind a URL has no paths")
        return self._place.root / _name(content)

    def exists(self, content: str) -> bool:
        """Whether something is stored under the id; `get` says whether it is whole."""
        return self._place.holds(_name(content)) or self._sealed(content)

    def put(self, data: bytes, media: str = "application/octet-stream") -> str:
        """Store bytes; gives their content id. Damaged bytes under the same id are replaced.

        Args:
            data: what to store.
            media: its media type. It is no part of the address and is not kept here: whoever
                refers to the bytes (a `$blob` object, a checkpoint) carries it.
        """
        content = sha256(data)
        if self._sealing is not None and self._sealing.cipher is not Cipher.NONE:
            self._put_sealed(content, data, media, self._sealing)
        elif not (self._sealed(content) and self._opens(content)):
            self._place.write(_name(content), data)
        return content

    def get(self, content: str) -> bytes:
        """The bytes of a content id, opened where they are sealed.

        Raises:
            CheckpointError: CHIM503 nothing is stored under it, CHIM504 what is stored is damaged,
                CHIM511 to CHIM513 what is sealed does not open.
            SettingsError: CHIM514, it is sealed and its key is not here.
        """
        data = self._read(content)
        if sha256(data) != content:
            raise CheckpointError(
                "CHIM504",
                f"'{content}' is damaged: its bytes have another digest",
                hint="run the kernel again with --force",
            )
        return data

    def _read(self, content: str) -> bytes:
        try:
            return self._place.read(_name(content))
        except FileNotFoundError:
            pass
        try:
            sealed = self._place.read(_name(content) + _SEALED)
        except FileNotFoundError:
            if self._split is not None and self._split.holds(content):
                return self._split.rebuild(content)
            raise CheckpointError(
                "CHIM503",
                f"'{content}' is not stored here",
                hint="run the kernel again with --force",
            ) from None
        if self._keys is None:
            raise SettingsError("CHIM514", f"'{content}' is sealed and no keys are at hand")
        return seal_file.unseal(sealed, self._keys, content=content)

    def _put_sealed(self, content: str, data: bytes, media: str, sealing: Sealing) -> None:
        """Seal and store, unless it is there sealed and opens; what lies in the open is removed."""
        if sealing.cipher is Cipher.AES_2048 and self._split is not None:
            self._split.store(
                data, document=sealing.document, kernel="", media=media, sealing=sealing
            )
            self._place.remove(_name(content) + _SEALED)
        elif not (self._sealed(content) and self._opens(content)):
            if self._keys is None:
                raise SettingsError("CHIM514", f"encryption '{sealing.cipher}' asks for keys")
            name = _name(content) + _SEALED
            self._place.write(name, seal_file.seal(data, sealing, self._keys, content=content))
        self._place.remove(_name(content))

    def _sealed(self, content: str) -> bool:
        if self._place.holds(_name(content) + _SEALED):
            return True
        return self._split is not None and self._split.holds(content)

    def _opens(self, content: str) -> bool:
        try:
            return sha256(self._read(content)) == content
        except ChimeraError:
            return False


def _name(content: str) -> str:
    digits = hex_of(content)
    return f"{digits[:2]}/{digits[2:]}"
