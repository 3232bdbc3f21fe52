"""What a call leaves while it runs, for the call that takes its place when this one is cut off.

A note is JSON under a name; a later one replaces it. In the worker, code of ours keeps notes and
asks for those of the call before; frames carry them out between request and answer. A stranger may
forge notes. They are data, bounded here, and are only handed to calls of the same kernel.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from chimera_pipelines.digest import JSONValue, normalise
from chimera_pipelines.sandbox.frames import Message, encode

EVERY_S = 0.25
"""Least time between two notes of a call that leave the worker."""
MAX_BYTES = 4 << 20
"""Of one note as JSON."""
MAX_NAMES = 16
_NAME = re.compile(r"[ -~]{1,80}")


@dataclass(frozen=True, slots=True)
class Notes:
    """Where the notes of a call come from and go to, in the process that asks for the call.

    Attributes:
        given: of the call that was cut off, by name.
        keep: called with name and value of each new one; what it raises ends the session.
    """

    given: Mapping[str, JSONValue]
    keep: Callable[[str, JSONValue], None]


def taker(notes: Notes | None, number: int) -> Callable[[Message], bool]:
    """What takes the notes of request `number` out of a worker's messages, and says whether."""

    def take(message: Message) -> bool:
        match message.head:
            case {"note": str(name), "value": value, "id": found} if found == number:
                if notes is None or message.attachments or not _NAME.fullmatch(name):
                    return False
                notes.keep(name, cast("JSONValue", value))
                return True
        return False

    return take


class _Notebook:
    """The notes of the call that the worker is in."""

    def __init__(
        self, given: Mapping[str, JSONValue], write: Callable[[bytes], None], number: int
    ) -> None:
        self._given, self._write, self._number = given, write, number
        self._sent_at = -EVERY_S
        self._opened = 0

    def next_name(self, what: str) -> str:
        self._opened += 1
        return f"{self._opened} {what}"

    def kept(self, name: str) -> JSONValue:
        return self._given.get(name)

    def keep(self, name: str, value: Callable[[], JSONValue]) -> None:
        now = time.monotonic()
        if now - self._sent_at < EVERY_S:
            return
        data = encode({"note": name, "value": normalise(value()), "id": self._number})
        if len(data) <= MAX_BYTES:
            self._write(data)
        self._sent_at = time.monotonic()


_lock = threading.Lock()
_book: _Notebook | None = None


def begin(given: object, write: Callable[[bytes], None], number: int) -> None:
    """A call begins in this worker; without `given` its notes are not asked for."""
    global _book  # noqa: PLW0603 - a worker has one call at a time
    with _lock:
        _book = _Notebook(given, write, number) if isinstance(given, dict) else None


def end() -> None:
    """The call has ended: threads that it left behind keep nothing more."""
    global _book  # noqa: PLW0603
    with _lock:
        _book = None


def next_name(what: str) -> str:
    """A name for notes of something that a call does, equal when the call is done again."""
    with _lock:
        return what if _book is None else _book.next_name(what)


def kept(name: str) -> JSONValue:
    """The note of that name, left by the call that was cut off; None without one."""
    with _lock:
        return None if _book is None else _book.kept(name)


def keep(name: str, value: Callable[[], JSONValue]) -> None:
    """Leave a note, unless one has just left, or it is too large.

    Args:
        name: printable ASCII, at most 80 characters.
        value: gives plain JSON; called only if the note leaves.

    Raises:
        NotCanonicalError: the value is no plain JSON.
    """
    with _lock:
        if _book is not None:
            _book.keep(name, value)
