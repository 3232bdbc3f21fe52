"""What the ring asks of keys; `tickets` has them, and the ring is handed them.

A head has one 512-bit key, by which its artefacts are sealed, and the seed of an ML-KEM-768 key. A
manifest is signed by whoever wrote it. Nothing here knows where keys lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

SECRET_BYTES = 64


@dataclass(frozen=True, slots=True)
class HeadKey:
    """A head's 512-bit key.

    Attributes:
        id: name of this key; an older one of the same head has another.
        secret: the 64 bytes.
        kem_seed: 64 bytes, `d || z` of FIPS 203, of the head's ML-KEM-768 key.
    """

    head: str
    id: str
    secret: bytes = field(repr=False)
    kem_seed: bytes = field(repr=False)


class HeadKeys(Protocol):
    """The keys of all heads."""

    def newest(self, head: str) -> HeadKey:
        """The key that seals for a head now."""
        ...

    def find(self, head: str, key_id: str) -> HeadKey:
        """A key of a head by its name.

        Raises:
            SettingsError: CHIM514, it is not here.
        """
        ...


class Signer(Protocol):
    """Signs manifests."""

    @property
    def key_id(self) -> str:
        """Name of the key, `ML-DSA-65:…`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        ...


class Verifier(Protocol):
    """Checks signatures of manifests."""

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """Whether the signature is that key's; false for a key that is not known."""
        ...
