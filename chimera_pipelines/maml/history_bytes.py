"""The bytes of a file with a History, and what must not be looked for in them again and again.

A History grows at its end, up to 4 MiB, and a run appends to it many times. So what was found in
the bytes (where History begins, the digest of the text above it) is carried over to bytes that
begin with these, after one comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from chimera_pipelines.digest import sha256
from chimera_pipelines.maml.history import HEADING, as_read, completed, split


@dataclass(frozen=True, slots=True)
class HistoryBytes:
    """A file's bytes.

    Attributes:
        doc: digest of every byte before the History line (MAML.md §8).
        begun: there is a History line.
        filled: something stands below it.
    """

    raw: bytes = field(repr=False)
    doc: str
    begun: bool
    filled: bool

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Look at all of the bytes."""
        parts = split(raw)
        return cls(
            raw, sha256(parts.body), parts.history_line is not None, bool(parts.tail.strip(b"\n"))
        )

    def grown(self, raw: bytes) -> Self | None:
        """What `raw` is, if these bytes and more below the same History line; else None."""
        if not (self.begun and self.raw.endswith(b"\n") and raw.startswith(self.raw)):
            return None
        added = raw[len(self.raw) :]
        if HEADING in added:
            return None
        return replace(self, raw=raw, filled=self.filled or bool(as_read(added).strip(b"\n")))

    def with_entries(self, entries: Sequence[bytes]) -> Self:
        """These bytes with entries at the end of History, which is begun where there is none."""
        whole = b"".join((*self._above(), *entries))
        if not self.raw or self.raw.endswith(b"\r"):
            # A CR gets a line feed behind it, and so may end a line that History begins at.
            return self.read(whole)
        return replace(self, raw=whole, begun=True, filled=True)

    def _above(self) -> tuple[bytes | memoryview, ...]:
        """What stands above new entries: these bytes, blank lines at the very end left out."""
        raw = self.raw
        if not self.begun:
            text = as_read(raw)
            gap = completed(text)[len(text) :] if raw else b""
            return raw, gap, HEADING, b"\n\n"
        kept = len(raw)
        while kept and raw[kept - 1] in b"\r\n":
            kept -= 1
        end = b"\r\n" if raw.startswith(b"\r\n", kept) else b"\n"
        return memoryview(raw)[:kept], end, b"" if self.filled else b"\n"
