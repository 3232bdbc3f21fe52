"""The 512-bit keys of the heads, by which their artefacts are sealed (MAML.md §10).

One file for each key under `private/heads/` of the key store (0600): 64 random bytes and the
64-byte seed of an ML-KEM-768 key, in the open or sealed like the signing keys, with AES-256-GCM
under a key that scrypt derives from the passphrase. The newest of a head seals; older ones stay,
to open what they sealed. A key's name is derived from it, so that a file of another key is known.

The keys enter this process's memory while it runs. They are in no HSM: PKCS#11 has no AES with 512
bits, so that a 512-bit key has to leave any token before it can be used (evidence/security.md §3).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.tickets.jwks import base64url
from chimera_pipelines.tickets.private_files import (
    locked,
    passphrase_salt,
    read_private,
    read_record,
    unusable,
    well_formed,
    write_atomically,
)
from chimera_pipelines.tickets.sealing import from_base64url, passphrase_of, seal, unseal
from chimera_pipelines.timestamps import timestamp

FORMAT = "chimera.headkey/1"
SECRET_BYTES = 64
_KEM_BYTES = 64


@dataclass(frozen=True, slots=True)
class HeadKey:
    """A head's 512-bit key and the seed of its ML-KEM-768 key (`d || z` of FIPS 203)."""

    head: str
    id: str
    secret: bytes = field(repr=False)
    kem_seed: bytes = field(repr=False)


class HeadKeyStore:
    """The 512-bit keys of the heads of one key store.

    Args:
        root: folder of the key store (`CHIMERA_HOME/keys`).
        passphrase_file: its first line seals new keys and opens sealed ones.
    """

    def __init__(self, root: Path, *, passphrase_file: Path | None = None) -> None:
        self.root = root
        self._passphrase_file = passphrase_file
        self._newest: dict[str, HeadKey] = {}
        self._known: dict[tuple[str, str], HeadKey] = {}

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.root / "private" / "heads"

    def newest(self, head: str) -> HeadKey:
        """The key that seals for a head now; one is made where there is none.

        Raises:
            SettingsError: CHIM222 or CHIM223, its file cannot be used.
        """
        if head not in self._newest:
            found = self._latest(head)
            if found is None:
                with locked(self.root):
                    found = self._latest(head) or self._make(head)
            self._newest[head] = found
        return self._newest[head]

    def find(self, head: str, key_id: str) -> HeadKey:
        """A key of a head by its name.

        Raises:
            SettingsError: CHIM514, it is not here; CHIM222 or CHIM223, its file cannot be used.
        """
        if (head, key_id) not in self._known:
            path = self._path(head, key_id)
            if path is None or not path.is_file():
                raise SettingsError(
                    "CHIM514",
                    f"the key '{key_id}' of {head} is not in '{self.folder}'",
                    hint="restore the folder private/heads of the key store that sealed it",
                )
            self._known[head, key_id] = self._read(path, head, key_id)
        return self._known[head, key_id]

    def rotate(self, head: str) -> HeadKey:
        """Make a new key for a head; it seals from now on, and the old ones still open."""
        with locked(self.root):
            self._newest[head] = self._make(head)
        return self._newest[head]

    def protections(self) -> dict[str, str]:
        """How each key that there is lies on this disk: `scrypt` or `file`, by file name."""
        return {
            path.stem: "scrypt" if "sealed" in read_record(path) else "file"
            for path in self._files()
        }

    def _latest(self, head: str) -> HeadKey | None:
        found = []
        for path in self._files():
            record = read_record(path)
            if record.get("head") == head:
                found.append((str(record.get("created")), str(record.get("kid"))))
        return self.find(head, max(found)[1]) if found else None

    def _files(self) -> Iterator[Path]:
        return (path for path in sorted(self.folder.glob("HEAD_*.json")))

    def _path(self, head: str, key_id: str) -> Path | None:
        """Names come from files that anybody may have written: only plain ones become paths."""
        plain = f"{head}{key_id}".replace("_", "").replace("-", "")
        if not (plain.isascii() and plain.isalnum()):
            return None
        return self.folder / f"{head}.{key_id}.json"

    def _make(self, head: str) -> HeadKey:
        material = secrets.token_bytes(SECRET_BYTES + _KEM_BYTES)
        key = _key(head, material)
        record: dict[str, Any] = {
            "format": FORMAT,
            "kid": key.id,
            "head": head,
            "created": timestamp(time.time_ns()),
        }
        passphrase = passphrase_of(self._passphrase_file)
        if passphrase is None:
            record["secret"] = base64url(material)
        else:
            salt = passphrase_salt(self.root / "private")
            record["sealed"] = seal(passphrase, salt, _name(head, key.id), material)
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{head}.{key.id}.json"
        write_atomically(path, json.dumps(record).encode() + b"\n", mode=0o600)
        return key

    def _read(self, path: Path, head: str, key_id: str) -> HeadKey:
        record = read_private(path)
        if (record.get("format"), record.get("kid"), record.get("head")) != (FORMAT, key_id, head):
            raise unusable(path, f"not the key '{key_id}' of '{head}'")
        with well_formed(path):
            if "sealed" in record:
                material = self._open(record["sealed"], head, key_id)
            else:
                material = from_base64url(record["secret"])
        key = _key(head, material)
        if len(material) != SECRET_BYTES + _KEM_BYTES or key.id != key_id:
            raise unusable(path, f"what it holds is not the key '{key_id}'")
        return key

    def _open(self, sealed: Mapping[str, Any], head: str, key_id: str) -> bytes:
        passphrase = passphrase_of(self._passphrase_file)
        if passphrase is None:
            raise SettingsError(
                "CHIM222",
                f"the 512-bit key of '{head}' is sealed",
                hint="set CHIMERA_KEY_PASSPHRASE_FILE",
            )
        try:
            return unseal(passphrase, sealed, _name(head, key_id))
        except InvalidTag:
            raise SettingsError(
                "CHIM222",
                f"the passphrase does not open the 512-bit key of '{head}'",
                hint=f"look at the first line of '{self._passphrase_file}'",
            ) from None


def _key(head: str, material: bytes) -> HeadKey:
    """A key with its name, from which nothing of the key can be told."""
    info = f"chimera.headkey/1 {head}".encode()
    name = HKDFExpand(SHA512(), 16, info).derive(material).hex()
    return HeadKey(head, name, material[:SECRET_BYTES], material[SECRET_BYTES:])


def _name(head: str, key_id: str) -> str:
    return f"{head} {key_id}"
