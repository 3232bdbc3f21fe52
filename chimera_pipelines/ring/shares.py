"""A share's file: what it is a share of, its digest, and its bytes.

Layout, version 1, integers big-endian: magic (8 bytes), version (2), length of the header (4), the
header as canonical JSON, SHA-256 of all before (32), the share. The header's digest makes a flipped
bit of the header and one of the share look the same to a reader: corrupt. A version that this
program does not know is told apart from damage. Encryption of shares will be version 2.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.ring.code import NEEDED, SHARES, share_length
from chimera_pipelines.ring.durable import Bytes, write_atomically

MAGIC = b"CHIMSHAR"
VERSION = 1
_HEAD = struct.Struct(">8sHI")
_DIGEST_SIZE = 32
_MAX_HEADER = 64 * 1024


class ShareError(Exception):
    """A share's file cannot be used; the message says what is wrong with it."""


class ShareVersionError(ShareError):
    """A share's file is of a version that this program does not know."""


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


@dataclass(frozen=True, slots=True)
class Share:
    """A share read whole, its digests checked."""

    header: ShareHeader
    data: bytes


def write_share(path: Path, header: ShareHeader, data: Bytes) -> None:
    """Write a share's file, atomically and synced.

    Raises:
        OSError: as the system gives it.
    """
    text = canonical(asdict(header))
    head = _HEAD.pack(MAGIC, VERSION, len(text)) + text
    write_atomically(path, [head, hashlib.sha256(head).digest(), data])


def read_share(path: Path) -> Share:
    """A share with every digest checked.

    Raises:
        FileNotFoundError: there is no such file.
        ShareVersionError: it is of an unknown version.
        ShareError: it is damaged or cannot be read.
    """
    with _opened(path) as file:
        header = _read_header(file)
        data = file.read()
    _check_size(header, len(data))
    if sha256(data) != header.digest:
        raise ShareError("its bytes have another digest")
    return Share(header, data)


def read_header(path: Path) -> ShareHeader:
    """A share's header and the file's size checked, without reading the share itself.

    Raises:
        FileNotFoundError: there is no such file.
        ShareVersionError: it is of an unknown version.
        ShareError: its header is damaged, it is cut off, or it cannot be read.
    """
    with _opened(path) as file:
        header = _read_header(file)
        start = file.tell()
        _check_size(header, file.seek(0, 2) - start)
    return header


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ShareError(f"it cannot be read: {error.strerror}") from None


def _check_size(header: ShareHeader, size: int) -> None:
    wanted = share_length(header.length)
    if size != wanted:
        raise ShareError(f"it holds {size} bytes of a share of {wanted}")


def _read_header(file: BinaryIO) -> ShareHeader:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise ShareError("it is cut off in its header")
    magic, version, size = _HEAD.unpack(head)
    if magic != MAGIC:
        raise ShareError("it is no share: its first bytes are others")
    if version != VERSION:
        raise ShareVersionError(f"it has version {version}; this program reads version {VERSION}")
    if size > _MAX_HEADER:
        raise ShareError(f"its header claims {size} bytes")
    text, digest = file.read(size), file.read(_DIGEST_SIZE)
    if hashlib.sha256(head + text).digest() != digest:
        raise ShareError("its header has another digest")
    return _parsed(text)


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
