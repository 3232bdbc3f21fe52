"""Sealing private keys under a passphrase: AES-256-GCM with a key that scrypt derives."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.tickets.jwks import base64url

# evidence/security.md §3: 0.5 s and 128 MiB a derivation, once per process.
SCRYPT: Mapping[str, int] = {"n": 2**17, "r": 8, "p": 1}


def passphrase_of(file: Path | None) -> bytes | None:
    """The first line of a passphrase file; None without a file.

    Raises:
        SettingsError: CHIM222, it cannot be read or is empty.
    """
    if file is None:
        return None
    try:
        first = file.read_bytes().partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise SettingsError("CHIM222", f"cannot read passphrase: {error}") from None
    if not first:
        raise SettingsError("CHIM222", f"passphrase in '{file}' is empty")
    return first


def seal(passphrase: bytes, salt: bytes, name: str, secret: bytes) -> dict[str, Any]:
    """`secret` sealed, as JSON; it opens under the same `name` only."""
    nonce = secrets.token_bytes(12)
    wrapping = _derived(passphrase, salt, SCRYPT["n"], SCRYPT["r"], SCRYPT["p"])
    return {
        "kdf": "scrypt",
        **SCRYPT,
        "salt": base64url(salt),
        "nonce": base64url(nonce),
        "data": base64url(AESGCM(wrapping).encrypt(nonce, secret, name.encode())),
    }


def unseal(passphrase: bytes, sealed: Mapping[str, Any], name: str) -> bytes:
    """The secret of `seal`.

    Raises:
        cryptography.exceptions.InvalidTag: another passphrase or name, or changed data.
    """
    salt = from_base64url(sealed["salt"])
    wrapping = _derived(passphrase, salt, sealed["n"], sealed["r"], sealed["p"])
    nonce, data = from_base64url(sealed["nonce"]), from_base64url(sealed["data"])
    return AESGCM(wrapping).decrypt(nonce, data, name.encode())


def from_base64url(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@lru_cache(maxsize=4)
def _derived(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase)
