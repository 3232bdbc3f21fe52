"""DSSE by the scheme `ml-dsa-65/1` of securesystemslib (TAP 21), 44 and 87 likewise.

https://github.com/secure-systems-lab/dsse and MAML.md §8: ML-DSA signs, with an empty context, the
four bytes "tuf" and 1, and the SHA-512 of the pre-authentication encoding.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_PREFIX = b"tuf\x01"


def pae(payload: bytes) -> bytes:
    """The pre-authentication encoding of an in-toto payload."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def to_be_signed(payload: bytes) -> bytes:
    """The 68 bytes that ML-DSA signs for a payload."""
    return _PREFIX + hashlib.sha512(pae(payload)).digest()


def envelope(payload: bytes, key_id: str, signature: bytes) -> dict[str, object]:
    """An ordinary DSSE envelope, which stock securesystemslib verifies."""
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": b64encode(payload).decode(),
        "signatures": [{"keyid": key_id, "sig": b64encode(signature).decode()}],
    }
