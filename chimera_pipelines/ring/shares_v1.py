"""Version 1 of a share's file, which is still read: the whole message coded at once, no cipher.

Layout, integers big-endian: magic (8 bytes), version (2), length of the header (4), the header as
canonical JSON, SHA-256 of all before (32), the share. Its digest is the plain SHA-256 of the share.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass

from chimera_pipelines.digest import canonical
from chimera_pipelines.ring.code import NEEDED, SHARES
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.share_errors import ShareError, read
from chimera_pipelines.ring.stores import Reader

MAGIC = b"CHIMSHAR"
VERSION = 1
HEAD = struct.Struct(">8sHI")
_DIGEST_SIZE = 32
_MAX_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True)
class ShareHeader:
    """What a share's file says of itself.

    Attributes:
        content: content id of the whole blob.
        document: slug of the document whose kernel was checkpointed first.
        kernel: name of that kernel.
        media: media type of the blob.
        index: number of the share, 0 to n − 1.
        k: shares that are needed.
        n: shares that there are.
        length: bytes of the whole blob.
        digest: content id of the share's bytes.
    """

    content: str
    document: str
    kernel: str
    media: str
    index: int
    k: int
    n: int
    length: int
    digest: str


def read_header(reader: Reader) -> tuple[ShareHeader, int]:
    """A share's header, and where its bytes begin.

    Raises:
        ShareError: the header is damaged.
        OSError: as the store gives it.
    """
    _, _, size = HEAD.unpack(read(reader, 0, HEAD.size))
    if size > _MAX_HEADER:
        raise ShareError(f"its header claims {size} bytes")
    head = read(reader, 0, HEAD.size + size + _DIGEST_SIZE)
    if hashlib.sha256(head[:-_DIGEST_SIZE]).digest() != head[-_DIGEST_SIZE:]:
        raise ShareError("its header has another digest")
    return _parsed(head[HEAD.size : -_DIGEST_SIZE]), len(head)


def share_file(header: ShareHeader, data: Bytes) -> bytes:
    """The file of a share, as version 1 of this program wrote it."""
    text = canonical(asdict(header))
    head = HEAD.pack(MAGIC, VERSION, len(text)) + text
    return head + hashlib.sha256(head).digest() + bytes(data)


def _parsed(text: bytes) -> ShareHeader:
    try:
        header = ShareHeader(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ShareError(f"its header cannot be read: {error}") from None
    sizes, names = (header.index, header.length), (header.content, header.digest, header.document)
    if not all(isinstance(size, int) and size >= 0 for size in sizes) or not all(
        isinstance(name, str) for name in (*names, header.kernel, header.media)
    ):
        raise ShareError("its header has values of another type")
    if (header.k, header.n) != (NEEDED, SHARES):
        raise ShareError(f"it is of a ({header.n},{header.k}) code, not ({SHARES},{NEEDED})")
    return header
