"""Keys and signatures for tests of the ring, without files."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.settings import HEAD_IDS


@dataclass(frozen=True)
class Key:
    head: str
    id: str
    secret: bytes
    kem_seed: bytes


class Keys:
    """A `HeadKeys` in memory."""

    def __init__(self) -> None:
        self.keys = {head: Key(head, "k1", os.urandom(64), os.urandom(64)) for head in HEAD_IDS}

    def newest(self, head: str) -> Key:
        return self.keys[head]

    def find(self, head: str, key_id: str) -> Key:
        found = self.keys.get(head)
        if found is None or found.id != key_id:
            raise SettingsError("CHIM514", f"the key '{key_id}' of {head} is not here")
        return found


class Hand:
    """A `Signer` and `Verifier` in one."""

    key_id = "test:1"

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, hashlib.sha256)

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        return key_id == self.key_id and hmac.compare_digest(self.sign(message), signature)


class _Fixed(Keys):
    """The keys of the vectors."""

    def __init__(self) -> None:
        self.keys = {
            head: Key(head, f"vector{n}", bytes([n]) * 64, bytes([64 + n]) * 64)
            for n, head in enumerate(HEAD_IDS)
        }


FIXED = _Fixed()
