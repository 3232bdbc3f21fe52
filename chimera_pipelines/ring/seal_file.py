"""A sealed artefact as one file: magic, version, header, chunks (docs/formats/seal.md).

Layout, version 1, integers big-endian: magic (8 bytes), version (2), length of the header (4), the
header as canonical JSON, the sealed chunks, each 16 bytes longer than its plaintext. Opening gives
all of the plaintext or an error, never a part.
"""

from __future__ import annotations

import json
import struct

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.seal import TAG, Seal, SealHeader, Sealing, broken
from chimera_pipelines.ring.trust import HeadKeys
from chimera_pipelines.ring.workers import each

MAGIC = b"CHIMSEAL"
VERSION = 1
_HEAD = struct.Struct(">8sHI")
_MAX_HEADER = 64 * 1024


def seal(data: Bytes, sealing: Sealing, keys: HeadKeys, *, content: str | None = None) -> bytes:
    """The sealed file of an artefact.

    Args:
        data: the plaintext.
        sealing: cipher `aes-256` or `aes-512`, head, document.
        keys: where the head's key is.
        content: content id of `data`, when it is known already.
    """
    plain = memoryview(data).cast("B")
    named = content or sha256(plain)
    made = Seal.new(sealing, keys, content=named, length=len(plain))
    text = canonical(made.header.as_json())
    head = _HEAD.pack(MAGIC, VERSION, len(text)) + text
    out = bytearray(len(head) + len(plain) + made.chunks * TAG)
    out[: len(head)] = head
    body, chunk = memoryview(out)[len(head) :], made.header.chunk

    def close(index: int) -> None:
        part = plain[index * chunk : (index + 1) * chunk]
        at = index * (chunk + TAG)
        made.close_chunk(index, part, body[at : at + len(part) + TAG])

    each(close, made.chunks)
    return bytes(out)


def unseal(
    blob: Bytes,
    keys: HeadKeys,
    *,
    content: str | None = None,
    document: str | None = None,
    head: str | None = None,
) -> bytes:
    """The plaintext of a sealed file.

    Args:
        blob: the file.
        keys: where the head's key is.
        content, document, head: what it must be sealed as; None asks for nothing.

    Raises:
        CheckpointError: CHIM511 it was changed or the key is another one, CHIM512 it is another
            artefact, CHIM513 it is no sealed file of this version.
        SettingsError: CHIM514, its key is not here.
    """
    view = memoryview(blob).cast("B")
    header, start = read_header(view)
    _expect(header, content=content, document=document, head=head)
    opened = Seal.of(header, keys)
    body, chunk = view[start:], header.chunk
    if len(body) != header.length + opened.chunks * TAG:
        wanted = header.length + opened.chunks * TAG
        raise broken(header.content, f"it has {len(body)} sealed bytes of {wanted}")
    out = bytearray(header.length)
    plain = memoryview(out)

    def open_(index: int) -> None:
        part = body[index * (chunk + TAG) : (index + 1) * (chunk + TAG)]
        at = index * chunk
        opened.open_chunk(index, part, plain[at : at + len(part) - TAG])

    each(open_, opened.chunks)
    return bytes(out)


def read_header(blob: Bytes) -> tuple[SealHeader, int]:
    """The header of a sealed file, and where its chunks begin.

    Raises:
        CheckpointError: CHIM513, it is no sealed file of this version.
    """
    view = memoryview(blob).cast("B")
    if len(view) < _HEAD.size:
        raise CheckpointError("CHIM513", f"{len(view)} bytes are no sealed file")
    magic, version, size = _HEAD.unpack_from(view)
    if magic != MAGIC:
        raise CheckpointError("CHIM513", "it is no sealed file: its first bytes are others")
    if version != VERSION:
        raise CheckpointError(
            "CHIM513",
            f"sealed file has version {version}; this program reads version {VERSION}",
            hint="use the version of chimera that wrote it",
        )
    text = bytes(view[_HEAD.size : _HEAD.size + min(size, _MAX_HEADER)])
    try:
        value = json.loads(text)
    except ValueError:
        raise CheckpointError("CHIM513", "the header of a sealed file is no JSON") from None
    header = SealHeader.from_json(value)
    if canonical(header.as_json()) != text:
        raise CheckpointError("CHIM513", "the header of a sealed file is not in canonical form")
    return header, _HEAD.size + size


def _expect(header: SealHeader, **wanted: str | None) -> None:
    for name, value in wanted.items():
        found = getattr(header, name)
        if value is not None and found != value:
            raise CheckpointError(
                "CHIM512", f"sealed file is of {name} '{found}', not of '{value}'"
            )
