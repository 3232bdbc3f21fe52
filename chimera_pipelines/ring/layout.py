"""Where the pieces of each stripe lie in a share (docs/formats/share.md)."""

from __future__ import annotations

from dataclasses import dataclass

from chimera_pipelines.ring.code import share_length
from chimera_pipelines.ring.seal import chunks


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the pieces of each stripe lie in a share.

    Attributes:
        length: bytes of the plaintext.
        chunk: bytes of it in a stripe; the last may have fewer.
        before, after: bytes of the tag on a chunk before coding, and on a piece after it.
    """

    length: int
    chunk: int
    before: int = 0
    after: int = 0

    @property
    def stripes(self) -> int:
        """How many there are; one at least."""
        return chunks(self.length, self.chunk)

    @property
    def share_bytes(self) -> int:
        """Bytes of each share."""
        last = self.stripes - 1
        return self.offset(last) + self.piece(last)

    def plain(self, stripe: int) -> slice:
        """The stripe's part of the plaintext."""
        return slice(stripe * self.chunk, min((stripe + 1) * self.chunk, self.length))

    def payload(self, stripe: int) -> int:
        """Bytes that are coded."""
        return min(self.chunk, self.length - stripe * self.chunk) + self.before

    def coded(self, stripe: int) -> int:
        """Bytes of a piece before its own tag."""
        return share_length(self.payload(stripe))

    def piece(self, stripe: int) -> int:
        """Bytes of a piece as it lies in the share."""
        return self.coded(stripe) + self.after

    def offset(self, stripe: int) -> int:
        """Where the stripe's piece begins in every share."""
        return stripe * (share_length(self.chunk + self.before) + self.after)
