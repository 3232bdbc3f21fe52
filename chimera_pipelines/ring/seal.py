"""Encryption of artefacts at rest: chunked STREAM under a head's 512-bit key (MAML.md §10).

Each artefact gets a key of its own: HKDF-SHA512 of the head's key with a random salt. Chunks of
1 MiB are sealed one by one, each bound to its number and to whether it is the last, so that none
can be moved, dropped, added or taken from another artefact (STREAM, Hoang, Reyhanitabar, Rogaway
and Vizár 2015). The header, which names suite, head, document and content, is associated data of
every chunk. Neither AES-GCM nor AES-SIV commits to its key, so the header carries 32 further bytes
of the same HKDF: another key gives others, and is refused before anything is opened.

The salt fixes everything else: sealing the same bytes under the same header gives the same bytes,
which is what lets a lost share be made again.

What is not hidden: length, document, head, and the content id, which the History publishes too.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from chimera_pipelines.digest import canonical
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.chunk_ciphers import PREFIX, ChunkCipher, Gcm, Siv
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.trust import HeadKey, HeadKeys

CHUNK = 1 << 20
TAG = 16
_SALT = 32
_COMMITMENT = 32
_MAX_CHUNKS = 1 << 32
_MAX_CHUNK = 1 << 26
_KEM = 1088


class Cipher(StrEnum):
    """Values of `encryption` (MAML.md §10)."""

    NONE = "none"
    AES_256 = "aes-256"
    AES_512 = "aes-512"
    AES_2048 = "aes-2048"


class Suite(StrEnum):
    """What seals chunks: AES-256-GCM, or AEAD_AES_SIV_CMAC_512 (RFC 5297)."""

    GCM = "AES-256-GCM"
    SIV = "AES-SIV-512"


SUITES = {Cipher.AES_256: Suite.GCM, Cipher.AES_512: Suite.SIV, Cipher.AES_2048: Suite.SIV}
_KEY_BYTES = {Suite.GCM: 32 + PREFIX, Suite.SIV: 64}


@dataclass(frozen=True, slots=True)
class SealHeader:
    """What a sealed artefact says of itself; every chunk is bound to all of it.

    Attributes:
        head, key: whose key, and which of them.
        document: slug of the document whose artefact it is.
        content: content id of the plaintext.
        length: bytes of the plaintext (of one share of it, where `share` is a number).
        share: number of the share that is sealed alone (aes-2048), or None for a whole artefact.
        salt, commitment: 32 bytes each, hexadecimal.
        kem: ML-KEM-768 ciphertext whose secret enters the key, base64, or None.
    """

    suite: str
    head: str
    key: str
    document: str
    content: str
    length: int
    chunk: int
    share: int | None
    salt: str
    commitment: str
    kem: str | None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> SealHeader:
        """The header of `as_json`.

        Raises:
            CheckpointError: CHIM513, it is none.
        """
        try:
            header = cls(**value)
            _check(header)
        except (TypeError, ValueError) as error:
            raise CheckpointError("CHIM513", f"not a seal's header: {error}") from None
        return header


@dataclass(frozen=True, slots=True)
class Sealing:
    """How artefacts of one kernel are sealed.

    Attributes:
        cipher: effective `encryption` of the kernel.
        head: the head that made them.
        document: slug of the document.
        kem: whether the key is wrapped with ML-KEM-768 too (`quantum_security_flag`).
    """

    cipher: Cipher
    head: str
    document: str
    kem: bool = False


class Seal:
    """The key of one artefact; seals and opens its chunks, from any thread.

    Args:
        header: what it is bound to.
        key: the head's key.

    Raises:
        CheckpointError: CHIM511, the key is not the one that the header commits to.
    """

    def __init__(self, header: SealHeader, key: HeadKey) -> None:
        self.header = header
        material = _derived(header, _secret(header, key))
        commitment, rest = material[:_COMMITMENT], material[_COMMITMENT:]
        if not hmac.compare_digest(commitment, bytes.fromhex(header.commitment)):
            raise CheckpointError(
                "CHIM511",
                f"'{header.content}' is sealed under another key than '{key.id}' of {key.head}",
                hint="restore the key files that sealed it",
            )
        bound = canonical(header.as_json())
        kind = Gcm if header.suite == Suite.GCM else Siv
        self._chunks: ChunkCipher = kind(rest, bound)

    @classmethod
    def new(
        cls,
        sealing: Sealing,
        keys: HeadKeys,
        *,
        content: str,
        length: int,
        chunk: int = CHUNK,
        share: int | None = None,
    ) -> Seal:
        """The seal of a new artefact, with a salt of its own.

        Args:
            sealing: cipher (not `none`), head, document.
            keys: where the head's key is.
            content: content id of the plaintext.
            length: its bytes.
            chunk: bytes of a chunk before it is sealed.
            share: number of the share that is sealed, if it is one.
        """
        key = keys.newest(sealing.head)
        kem, secret = _encapsulated(key) if sealing.kem else (None, key.secret)
        draft = SealHeader(
            suite=SUITES[sealing.cipher],
            head=key.head,
            key=key.id,
            document=sealing.document,
            content=content,
            length=length,
            chunk=chunk,
            share=share,
            salt=secrets.token_hex(_SALT),
            commitment="",
            kem=kem,
        )
        commitment = _derived(draft, secret)[:_COMMITMENT].hex()
        return cls(SealHeader(**{**asdict(draft), "commitment": commitment}), key)

    @classmethod
    def of(cls, header: SealHeader, keys: HeadKeys) -> Seal:
        """The seal of an artefact that there is.

        Raises:
            SettingsError: CHIM514, the key is not here.
            CheckpointError: CHIM511, the key is another one.
        """
        return cls(header, keys.find(header.head, header.key))

    @property
    def chunks(self) -> int:
        """How many chunks the artefact has; one at least."""
        return chunks(self.header.length, self.header.chunk)

    def close_chunk(self, index: int, plain: Bytes, out: Bytes) -> None:
        """Seal chunk `index` into `out`, which is `TAG` bytes longer."""
        self._chunks.close(index, index == self.chunks - 1, plain, out)

    def open_chunk(self, index: int, sealed: Bytes, out: Bytes) -> None:
        """Open chunk `index` into `out`, which is `TAG` bytes shorter.

        Raises:
            CheckpointError: CHIM511, it was changed, moved, or belongs to another artefact.
        """
        from cryptography.exceptions import InvalidTag

        try:
            self._chunks.open(index, index == self.chunks - 1, sealed, out)
        except (InvalidTag, ValueError):
            raise broken(self.header.content, f"its chunk {index} was changed") from None


def chunks(length: int, chunk: int) -> int:
    """Chunks of an artefact of `length` bytes: an empty one has one, which is empty."""
    return max(1, -(-length // chunk))


def broken(content: str, what: str) -> CheckpointError:
    """CHIM511: what is sealed does not open."""
    return CheckpointError(
        "CHIM511",
        f"'{content}' does not open: {what}",
        hint="run the kernel again with --force",
    )


def _derived(header: SealHeader, secret: bytes) -> bytes:
    """Commitment and key of an artefact."""
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = canonical(["chimera.seal/1", header.suite, header.head, header.key])
    size = _COMMITMENT + _KEY_BYTES[Suite(header.suite)]
    return HKDF(SHA512(), size, bytes.fromhex(header.salt), info).derive(secret)


def _secret(header: SealHeader, key: HeadKey) -> bytes:
    """The head's key, joined with the shared secret of ML-KEM where there is one."""
    if header.kem is None:
        return key.secret
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

    private = MLKEM768PrivateKey.from_seed_bytes(key.kem_seed)
    return key.secret + private.decapsulate(b64decode(header.kem))


def _encapsulated(key: HeadKey) -> tuple[str, bytes]:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

    public = MLKEM768PrivateKey.from_seed_bytes(key.kem_seed).public_key()
    shared, wrapped = public.encapsulate()
    return b64encode(wrapped).decode(), key.secret + shared


def _check(header: SealHeader) -> None:
    Suite(header.suite)
    texts = (header.head, header.key, header.document, header.content)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is no text")
    sizes = (header.length, header.chunk)
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("a size is no size")
    if not 0 < header.chunk <= _MAX_CHUNK or chunks(*sizes) > _MAX_CHUNKS:
        raise ValueError(f"chunks of {header.chunk} bytes")
    if not (header.share is None or type(header.share) is int):
        raise ValueError(f"share {header.share!r}")
    if len(bytes.fromhex(header.salt)) != _SALT:
        raise ValueError("a salt of another size")
    if len(bytes.fromhex(header.commitment)) != _COMMITMENT:
        raise ValueError("a commitment of another size")
    if not (header.kem is None or len(b64decode(header.kem, validate=True)) == _KEM):
        raise ValueError("a wrapped key of another size")
