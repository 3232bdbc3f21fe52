"""A share's file: a manifest that all four shares of an artefact have alike, then the share.

Layout, version 2, integers big-endian: magic (8 bytes), version (2), number of the share (1), zero
(1), bytes of the whole header (4), of the manifest (4), of the signature (4); the manifest as
canonical JSON, the signature of it, zeros up to a multiple of 4,096, the last 32 bytes of which are
the SHA-256 of all before; then the share's pieces. The file ends there: no byte of it is unchecked.

The manifest says what the artefact is, how it was coded and sealed, and the digests of all four
shares. It is signed as `chimera.manifest/1`, a newline, and the SHA-256 of its text.

Version 1 (`shares_v1`) is read and no longer written.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring import shares_v1
from chimera_pipelines.ring.code import NEEDED, SHARES
from chimera_pipelines.ring.layout import Layout
from chimera_pipelines.ring.seal import TAG, Cipher, SealHeader
from chimera_pipelines.ring.share_errors import ShareError, ShareVersionError, UnwrittenError, read
from chimera_pipelines.ring.stores import EMPTY, Reader
from chimera_pipelines.ring.stripes import digest_of_share
from chimera_pipelines.ring.trust import Signer, Verifier

MAGIC = shares_v1.MAGIC
VERSION = 2
_HEAD = struct.Struct(">8sHBBIII")
_DIGEST = 32
_PAGE = 4096
_MAX_HEADER = 256 * 1024
_MAX_CHUNK = 1 << 62  # of version 1, whose only stripe is the whole message
_DOMAIN = b"chimera.manifest/1\n"
NO_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class StateMark:
    """What makes an artefact a head's state: whose, and which time it was saved."""

    run: str
    partition: str | None
    name: str
    head: str
    generation: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What all shares of an artefact say of it.

    Attributes:
        content: content id of the plaintext.
        document, kernel, media: for `ls`.
        length: bytes of the plaintext.
        chunk: bytes of it in a stripe.
        cipher: how it is sealed.
        digests: of the four shares as they lie in their stores.
        seals: none, one of the whole artefact, or one a share (aes-2048).
        signer: key that signed, or None.
        state: of a head's state; None of a checkpoint.
    """

    content: str
    document: str
    kernel: str
    media: str
    length: int
    chunk: int
    cipher: Cipher = Cipher.NONE
    digests: tuple[str, ...] = (NO_DIGEST,) * SHARES
    seals: tuple[SealHeader, ...] = ()
    signer: str | None = None
    state: StateMark | None = None

    @property
    def layout(self) -> Layout:
        """Where pieces lie."""
        before = TAG if len(self.seals) == 1 else 0
        after = TAG if len(self.seals) == SHARES else 0
        return Layout(self.length, self.chunk, before, after)

    def text(self) -> bytes:
        """Canonical JSON, with `k` and `n` of the code."""
        return canonical({**asdict(self), "cipher": str(self.cipher), "k": NEEDED, "n": SHARES})

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """The manifest of its text.

        Raises:
            ShareError: it is none.
        """
        try:
            value: dict[str, Any] = json.loads(text)
            code = (value.pop("n"), value.pop("k"))
            if code != (SHARES, NEEDED):
                raise ShareError(f"it is of a {code} code, not ({SHARES}, {NEEDED})")
            made = cls(
                **{
                    **value,
                    "cipher": Cipher(value["cipher"]),
                    "digests": tuple(value["digests"]),
                    "seals": tuple(SealHeader.from_json(one) for one in value["seals"]),
                    "state": None if value["state"] is None else StateMark(**value["state"]),
                }
            )
            _check(made)
        except (ValueError, TypeError, KeyError, AttributeError, CheckpointError) as error:
            raise ShareError(f"its manifest cannot be read: {error}") from None
        if made.text() != text:
            raise ShareError("its manifest is not in canonical form")
        return made


@dataclass(frozen=True, slots=True)
class Share:
    """A share's header, checked: which share of what, and where its bytes begin."""

    index: int
    manifest: Manifest
    signature: bytes
    start: int
    version: int = VERSION

    @property
    def group(self) -> bytes:
        """Equal in shares that belong together; version 1 names only a share's own digest."""
        if self.version == shares_v1.VERSION:
            return replace(self.manifest, digests=(NO_DIGEST,) * SHARES).text()
        return self.manifest.text() + self.signature


def read_share(reader: Reader) -> Share:
    """The header of a share's file; of the share itself only the size is looked at.

    Raises:
        ShareVersionError: it is of an unknown version.
        UnwrittenError: it is a slot that holds nothing.
        ShareError: its header is damaged, or it has another size.
        OSError: as the store gives it.
    """
    magic, version = struct.unpack(">8sH", read(reader, 0, 10))
    if magic == EMPTY:
        raise UnwrittenError("it is not written to its end")
    if magic != MAGIC:
        raise ShareError("it is no share: its first bytes are others")
    if version not in (shares_v1.VERSION, VERSION):
        known = f"{shares_v1.VERSION} and {VERSION}"
        raise ShareVersionError(f"it has version {version}; this program reads versions {known}")
    share = _read_v1(reader) if version == shares_v1.VERSION else _read(reader)
    held, wanted = reader.size - share.start, share.manifest.layout.share_bytes
    if held != wanted:
        raise ShareError(f"it holds {held} bytes of a share of {wanted}")
    return share


def check_share(reader: Reader, share: Share) -> None:
    """Read all of a share and hold it against its digest.

    Raises:
        ShareError: its bytes have another digest.
        OSError: as the store gives it.
    """

    def read_into(offset: int, buffer: memoryview) -> None:
        reader.read_into(share.start + offset, buffer)

    layout = share.manifest.layout
    if share.version == shares_v1.VERSION:
        found = sha256(read(reader, share.start, layout.share_bytes))
    else:
        found = digest_of_share(read_into, layout)
    if found != share.manifest.digests[share.index]:
        raise ShareError("its bytes have another digest")


def signed(manifest: Manifest, signer: Signer | None) -> tuple[Manifest, bytes]:
    """The manifest with its signer named, and the signature."""
    if signer is None:
        return manifest, b""
    named = replace(manifest, signer=signer.key_id)
    return named, signer.sign(_message(named))


def signature_holds(share: Share, verifier: Verifier) -> bool:
    """Whether a share's manifest is signed by a key that the verifier knows."""
    signer = share.manifest.signer
    return signer is not None and verifier.verify(signer, _message(share.manifest), share.signature)


def header_of(index: int, manifest: Manifest, signature: bytes) -> bytes:
    """The header of a share's file; its size depends on the sizes of its parts alone."""
    text = manifest.text()
    used = _HEAD.size + len(text) + len(signature) + _DIGEST
    size = -(-used // _PAGE) * _PAGE
    head = _HEAD.pack(MAGIC, VERSION, index, 0, size, len(text), len(signature))
    body = head + text + signature + b"\0" * (size - used)
    return body + hashlib.sha256(body).digest()


def _message(manifest: Manifest) -> bytes:
    return _DOMAIN + hashlib.sha256(manifest.text()).digest()


def _read(reader: Reader) -> Share:
    _, _, index, _, size, text_size, signature_size = _HEAD.unpack(read(reader, 0, _HEAD.size))
    if size > _MAX_HEADER or _HEAD.size + text_size + signature_size + _DIGEST > size:
        raise ShareError(f"its header claims {size} bytes")
    head = read(reader, 0, size)
    if hashlib.sha256(head[:-_DIGEST]).digest() != head[-_DIGEST:]:
        raise ShareError("its header has another digest")
    text = head[_HEAD.size : _HEAD.size + text_size]
    signature = head[_HEAD.size + text_size : _HEAD.size + text_size + signature_size]
    return Share(index, Manifest.parse(text), signature, size)


def _read_v1(reader: Reader) -> Share:
    header, start = shares_v1.read_header(reader)
    digests = [NO_DIGEST] * SHARES
    digests[header.index] = header.digest
    manifest = Manifest(
        header.content,
        header.document,
        header.kernel,
        header.media,
        header.length,
        chunk=max(1, header.length),
        digests=tuple(digests),
    )
    return Share(header.index, manifest, b"", start, shares_v1.VERSION)


def _check(manifest: Manifest) -> None:
    texts = (manifest.content, manifest.document, manifest.kernel, manifest.media)
    if not all(isinstance(text, str) for text in (*texts, *manifest.digests)):
        raise TypeError("a name is no text")
    sizes: Mapping[str, int] = {"length": manifest.length, "chunk": manifest.chunk}
    if not all(type(size) is int and 0 <= size < _MAX_CHUNK for size in sizes.values()):
        raise ValueError("a size is no size")
    if manifest.chunk == 0 or len(manifest.digests) != SHARES:
        raise ValueError("chunks of no bytes, or digests that are not four")
    if len(manifest.seals) != {Cipher.NONE: 0, Cipher.AES_2048: SHARES}.get(manifest.cipher, 1):
        raise ValueError(f"{len(manifest.seals)} seals of {manifest.cipher}")
