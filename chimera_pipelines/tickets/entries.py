"""What verification needs of a History; the records of `maml.history` and `history_file` fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class HistoryEntry(Protocol):
    """What verification needs of an entry; `maml.history.Entry` is one."""

    @property
    def line(self) -> int:
        """Line number of its first line."""

    @property
    def raw(self) -> bytes:
        """Its exact bytes, the leaf."""

    @property
    def timestamp(self) -> str | None:
        """As written; None when malformed."""

    @property
    def time_ns(self) -> int | None:
        """Nanoseconds since 1970; None when malformed."""

    @property
    def action(self) -> str | None:
        """GRANT, TICKET, ARCHIVE, KEY or a note's."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Of a signed entry."""

    @property
    def signature(self) -> bytes | None:
        """Of a signed entry."""

    @property
    def problem(self) -> str | None:
        """Why it is no entry (MAML801)."""


class Part(Protocol):
    """The entries of one file of a History: `HistoryPart` here or in `maml`."""

    @property
    def entries(self) -> Sequence[HistoryEntry]:
        """In order."""

    @property
    def archive_read(self) -> bool:
        """Whether what its ARCHIVE names is the part before it."""


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """The entries of one file; `archive_read`: what its ARCHIVE names is the part before it."""

    entries: Sequence[HistoryEntry]
    archive_read: bool = False
