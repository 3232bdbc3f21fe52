"""What can be wrong with a share's file; it is told of the share and never ends a rebuild."""

from __future__ import annotations

from chimera_pipelines.ring.stores import Reader


class ShareError(Exception):
    """A share's file cannot be used; the message says what is wrong with it."""


class ShareVersionError(ShareError):
    """A share's file is of a version that this program does not know."""


class UnwrittenError(ShareError):
    """A slot whose writing has not ended: it holds no share yet, or no longer."""


def read(reader: Reader, offset: int, size: int) -> bytes:
    """`size` bytes of a share's header.

    Raises:
        ShareError: the file ends before.
        OSError: as the store gives it.
    """
    if offset + size > reader.size:
        raise ShareError("it is cut off in its header")
    found = bytearray(size)
    reader.read_into(offset, memoryview(found))
    return bytes(found)
