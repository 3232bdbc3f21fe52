from __future__ import annotations

import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.sandbox import frames
from chimera_pipelines.sandbox.frames import Decoder, FrameError, FrameTooLargeError
from chimera_pipelines.sandbox.outcomes import Attachment

ATTACHMENTS = st.lists(
    st.builds(
        Attachment,
        st.sampled_from(["application/x-npy", "application/octet-stream"]),
        st.binary(max_size=64),
    ),
    max_size=3,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab"), part, max_size=3),
    max_leaves=8,
)


@given(JSON, ATTACHMENTS, st.integers(1, 64))
def test_a_frame_read_in_pieces_is_what_was_sent(
    value: object, attachments: list[Attachment], step: int
) -> None:
    data = frames.encode({"value": value}, attachments)
    decoder = Decoder(1024)
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    *early, last = [decoder.feed(piece) for piece in pieces]
    assert early == [None] * len(early)
    assert last is not None
    assert last.head == {"value": value}
    assert list(last.attachments) == attachments


@given(st.binary(min_size=16, max_size=200))
def test_noise_is_no_frame(noise: bytes) -> None:
    with pytest.raises(FrameError):
        Decoder(1024).feed(noise)


@given(st.data())
def test_a_changed_frame_is_refused_or_still_a_frame(data: st.DataObject) -> None:
    whole = bytearray(frames.encode({"id": 1}, [Attachment("application/x-npy", b"abc")]))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = Decoder(1024).feed(bytes(whole))
    except FrameError:
        return
    assert message is None or isinstance(message.head, dict)


def test_announced_sizes_are_bounded_before_anything_is_kept() -> None:
    header = struct.Struct(">4sIQ")
    with pytest.raises(FrameTooLargeError):
        Decoder(10).feed(header.pack(b"CHF1", 20, 11))
    with pytest.raises(FrameTooLargeError):
        Decoder(10).feed(header.pack(b"CHF1", frames.MAX_HEAD_BYTES + 1, 0))


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}",
        b"{",
        b'{"attachments": 1}',
        b'{"attachments": [["application/x-npy"]]}',
        b'{"attachments": [["application/x-npy", 1]]}',
        b'{"attachments": [["application/x-npy", -1]]}',
        b'{"attachments": [["text/html", 0]]}',
        b'{"attachments": [], "x": NaN}',
        b'{"attachments": [], "x": Infinity}',
        b'{"attachments": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"attachments": [], "x": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
    ],
)
def test_bad_heads_are_refused(text: bytes) -> None:
    with pytest.raises(FrameError):
        Decoder(10).feed(struct.pack(">4sIQ", b"CHF1", len(text), 0) + text)


def test_bytes_that_belong_to_nothing_are_refused() -> None:
    text = json.dumps({"attachments": []}).encode()
    with pytest.raises(FrameError, match="do not fill"):
        Decoder(10).feed(struct.pack(">4sIQ", b"CHF1", len(text), 3) + text + b"abc")
    with pytest.raises(FrameError, match="after the end"):
        Decoder(10).feed(frames.encode({}) + b"x")


def test_nan_is_not_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        frames.encode({"x": float("nan")})


def test_read_stops_at_the_end_of_each_frame() -> None:
    read, write = os.pipe()
    frames.write(write, frames.encode({"n": 1}, [Attachment("application/x-npy", b"abc")]))
    frames.write(write, frames.encode({"n": 2}))
    os.close(write)
    first, second, third = frames.read(read), frames.read(read), frames.read(read)
    os.close(read)
    assert first is not None
    assert second is not None
    assert (first.head, second.head, third) == ({"n": 1}, {"n": 2}, None)
    assert first.attachments[0].data == b"abc"
