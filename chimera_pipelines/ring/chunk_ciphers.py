"""The two suites that seal chunks (MAML.md §10, docs/formats/seal.md)."""

# ruff: noqa: FBT001 - a flag of the format, always given by place

from __future__ import annotations

from typing import Protocol

from chimera_pipelines.ring.durable import Bytes

PREFIX = 7
"""Derived bytes of a GCM nonce; 4 of the chunk's number and 1 of the final flag follow."""


class ChunkCipher(Protocol):
    """Seals chunks by their number and whether they are the last."""

    def close(self, index: int, final: bool, plain: Bytes, out: Bytes) -> None:
        """Seal a chunk into `out`."""
        ...

    def open(self, index: int, final: bool, sealed: Bytes, out: Bytes) -> None:
        """Open a chunk into `out`; raises `InvalidTag`."""
        ...


class Gcm:
    """AES-256-GCM. The nonce is 7 derived bytes, the chunk's number (4) and the final flag (1)."""

    def __init__(self, material: bytes, bound: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._aead = AESGCM(material[:32])
        self._prefix, self._bound = material[32:], bound

    def close(self, index: int, final: bool, plain: Bytes, out: Bytes) -> None:
        """As `ChunkCipher`."""
        self._aead.encrypt_into(self._nonce(index, final), plain, self._bound, out)

    def open(self, index: int, final: bool, sealed: Bytes, out: Bytes) -> None:
        """As `ChunkCipher`."""
        self._aead.decrypt_into(self._nonce(index, final), sealed, self._bound, out)

    def _nonce(self, index: int, final: bool) -> bytes:
        return self._prefix + index.to_bytes(4, "big") + bytes([final])


class Siv:
    """AES-SIV-512: two AES-256 keys; number and final flag are a second associated string."""

    def __init__(self, material: bytes, bound: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._aead, self._bound = AESSIV(material), bound

    def close(self, index: int, final: bool, plain: Bytes, out: Bytes) -> None:
        """As `ChunkCipher`."""
        self._aead.encrypt_into(plain, self._bindings(index, final), out)

    def open(self, index: int, final: bool, sealed: Bytes, out: Bytes) -> None:
        """As `ChunkCipher`."""
        self._aead.decrypt_into(sealed, self._bindings(index, final), out)

    def _bindings(self, index: int, final: bool) -> list[bytes]:
        return [self._bound, index.to_bytes(8, "big") + bytes([final])]
