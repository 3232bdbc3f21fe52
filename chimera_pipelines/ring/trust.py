"""What the ring asks of keys; `tickets` has them, and the ring is handed them.

A head has one 512-bit key, by which its artefacts are sealed, and the seed of an ML-KEM-768 key. A
manifest is signed by whoever wrote it. Nothing here knows where keys lie.
"""

from __future__ import annotations

from typing import Protocol


class HeadKey(Protocol):
    """A head's 512-bit key."""

    @property
    def head(self) -> str:
        """Whose it is."""
        ...

    @property
    def id(self) -> str:
        """Name of this key; an older one of the same head has another."""
        ...

    @property
    def secret(self) -> bytes:
        """The 64 bytes."""
        ...

    @property
    def kem_seed(self) -> bytes:
        """64 bytes, `d || z` of FIPS 203, of the head's ML-KEM-768 key."""
        ...


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
