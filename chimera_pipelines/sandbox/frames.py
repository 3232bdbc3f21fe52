"""Frames on the pipes between a session and its worker: JSON, then raw attachments.

`CHF1`, JSON length (4 bytes, big-endian), attachment length (8 bytes), JSON, attachments. The JSON
is one object; its `attachments` list names `[media, bytes]` of each attachment in order. What comes
from a worker is a stranger's word: every length is bounded before it is believed, and a frame that
is not exactly this is an error, never a guess.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from chimera_pipelines.sandbox.outcomes import Attachment

_HEADER = struct.Struct(">4sIQ")
_MAGIC = b"CHF1"
_MEDIA = frozenset({"application/x-npy", "application/octet-stream"})
_CHUNK = 1 << 20

MAX_HEAD_BYTES = 17 * 1024 * 1024
"""JSON of a frame: a result of 16 MiB and what is said around it."""


class FrameError(ValueError):
    """The bytes are no frame."""


class FrameTooLargeError(FrameError):
    """The frame announces more bytes than are allowed."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame: a JSON object and its attachments."""

    head: dict[str, object]
    attachments: tuple[Attachment, ...] = ()


def encode(head: dict[str, object], attachments: Sequence[Attachment] = ()) -> bytes:
    """The bytes of a frame; NaN and infinities in `head` are a ValueError."""
    listed = [[item.media, len(item.data)] for item in attachments]
    text = json.dumps(
        {**head, "attachments": listed}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode("utf-8", "backslashreplace")
    total = sum(len(item.data) for item in attachments)
    return b"".join(
        (_HEADER.pack(_MAGIC, len(text), total), text, *(item.data for item in attachments))
    )


class Decoder:
    """Collects bytes until a frame is whole.

    Args:
        max_attachment_bytes: most bytes of attachments in one frame.
    """

    def __init__(self, max_attachment_bytes: int) -> None:
        self._limit = max_attachment_bytes
        self._buffer = bytearray()
        self._sizes: tuple[int, int] | None = None

    def feed(self, data: bytes) -> Message | None:
        """The message once it is whole.

        Raises:
            FrameTooLargeError: it announces too much.
            FrameError: no frame, or bytes after its end.
        """
        self._buffer += data
        if self._sizes is None:
            if len(self._buffer) < _HEADER.size:
                return None
            self._sizes = self._header()
        head, attached = self._sizes
        whole = _HEADER.size + head + attached
        if len(self._buffer) < whole:
            return None
        if len(self._buffer) > whole:
            raise FrameError("bytes after the end of a frame")
        message = _message(memoryview(self._buffer)[_HEADER.size :], head)
        self._buffer = bytearray()
        self._sizes = None
        return message

    @property
    def missing(self) -> int:
        """How many bytes may be read without running into the next frame."""
        head, attached = self._sizes or (0, 0)
        return min(_HEADER.size + head + attached - len(self._buffer), _CHUNK)

    def _header(self) -> tuple[int, int]:
        magic, head, attached = _HEADER.unpack_from(self._buffer)
        if magic != _MAGIC:
            raise FrameError("no frame begins here")
        if head > MAX_HEAD_BYTES or attached > self._limit:
            raise FrameTooLargeError(f"a frame of {head} + {attached} bytes")
        return head, attached


def _message(body: memoryview, head_bytes: int) -> Message:
    try:
        head = json.loads(bytes(body[:head_bytes]), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {error}") from None
    if not isinstance(head, dict) or not isinstance(listed := head.pop("attachments", None), list):
        raise FrameError("not an object with attachments")
    attachments: list[Attachment] = []
    start = head_bytes
    for item in listed:
        match item:
            case [str(media), int(size)] if media in _MEDIA and 0 <= size <= len(body) - start:
                attachments.append(Attachment(media, bytes(body[start : start + size])))
                start += size
            case _:
                raise FrameError("attachment without media and size")
    if start != len(body):
        raise FrameError("attachments do not fill the frame")
    return Message(head, tuple(attachments))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def read(fd: int) -> Message | None:
    """The next message of a blocking pipe, None at its end (for trusted senders)."""
    decoder = Decoder(1 << 62)
    need = _HEADER.size
    while data := os.read(fd, need):
        message = decoder.feed(data)
        if message is not None:
            return message
        need = decoder.missing
    return None


def write(fd: int, data: bytes) -> None:
    """Write all of it to a blocking pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:_CHUNK]) :]
