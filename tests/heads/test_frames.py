from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.heads import frames as module
from chimera_pipelines.heads.frames import (
    HEADER_BYTES,
    FrameDecoder,
    FrameReader,
    FrameWriter,
    Handshake,
    WireError,
)

KEY = bytes(range(32))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
frames = st.dictionaries(st.text(), values, max_size=5)
buffers = st.lists(st.binary(max_size=300), max_size=4)


def encoded(writer: FrameWriter, frame, raw=()) -> bytes:
    return b"".join(bytes(part) for part in writer.encode(frame, raw))


def decoded(reader: FrameReader, data: bytes):
    header, body = data[:HEADER_BYTES], data[HEADER_BYTES:]
    sizes = reader.sizes(header)
    assert sizes.body == len(body)
    return reader.decode(header, sizes, body)


@given(st.lists(st.tuples(frames, buffers), min_size=1, max_size=3))
def test_any_frames_come_back_in_order(sent):
    writer, reader = FrameWriter(KEY), FrameReader(KEY)
    for frame, raw in sent:
        message = decoded(reader, encoded(writer, frame, raw))
        assert message.frame == frame
        assert [bytes(item) for item in message.buffers] == raw


@given(frames, buffers, st.data())
def test_any_flipped_byte_is_refused(frame, raw, data):
    text = bytearray(encoded(FrameWriter(KEY), frame, raw))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WireError) as refused:
        decoded(FrameReader(KEY), bytes(text))
    assert refused.value.code == "CHIM713"


def test_a_flipped_length_is_refused_before_it_is_waited_for():
    text = bytearray(encoded(FrameWriter(KEY), {"a": 1}))
    text[10] ^= 0xFF
    with pytest.raises(WireError):
        FrameReader(KEY).sizes(text[:HEADER_BYTES])


def test_a_repeated_frame_a_missing_frame_and_another_key_are_refused():
    writer = FrameWriter(KEY)
    first, second = encoded(writer, {"n": 1}), encoded(writer, {"n": 2})
    reader = FrameReader(KEY)
    decoded(reader, first)
    with pytest.raises(WireError):
        decoded(reader, first)
    with pytest.raises(WireError):
        decoded(FrameReader(KEY), second)
    with pytest.raises(WireError):
        decoded(FrameReader(bytes(32)), first)


def test_what_is_no_json_is_not_sent_and_the_connection_goes_on():
    writer, reader = FrameWriter(KEY), FrameReader(KEY)
    with pytest.raises(ValueError, match="JSON"):
        writer.encode({"x": float("nan")})
    assert decoded(reader, encoded(writer, {"n": 1})).frame == {"n": 1}


@given(st.lists(st.tuples(frames, buffers), min_size=1, max_size=3), st.integers(1, 50))
def test_pieces_of_any_size_give_the_same_frames(sent, size):
    writer = FrameWriter(KEY)
    data = b"".join(encoded(writer, frame, raw) for frame, raw in sent)
    decoder = FrameDecoder(KEY, max_bytes=1 << 20)
    found = []
    for at in range(0, len(data), size):
        found += decoder.feed(data[at : at + size])
    assert [message.frame for message in found] == [frame for frame, _ in sent]


def test_a_large_frame_is_refused_before_it_is_collected():
    data = encoded(FrameWriter(KEY), {}, [bytes(5000)])
    with pytest.raises(WireError, match="4096"):
        FrameDecoder(KEY, max_bytes=4096).feed(data[:HEADER_BYTES])


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_waited_on(data):
    decoder = FrameDecoder(KEY, max_bytes=1 << 16)
    try:
        assert decoder.feed(data) == []
    except WireError:
        return
    assert len(data) < HEADER_BYTES


def shake(server: Handshake, client: Handshake) -> None:
    answer = client.feed(server.begin())
    assert client.feed(server.feed(answer)) == b""


def test_hands_that_know_the_secret_agree_on_keys():
    server, client = Handshake(KEY, server=True), Handshake(KEY, server=False)
    assert client.begin() == b""
    shake(server, client)
    assert (server.need, client.need) == (0, 0)
    assert server.keys() == client.keys()[::-1]
    assert len({*server.keys()}) == 2
    again = Handshake(KEY, server=True)
    shake(again, Handshake(KEY, server=False))
    assert again.keys() != server.keys()


def test_a_client_without_the_secret_is_refused():
    server, client = Handshake(KEY, server=True), Handshake(bytes(32), server=False)
    with pytest.raises(WireError) as refused:
        shake(server, client)
    assert refused.value.code == "CHIM713"


def test_a_server_without_the_secret_is_refused():
    client = Handshake(KEY, server=False)
    client.feed(Handshake(bytes(32), server=True).begin())
    with pytest.raises(WireError):
        client.feed(bytes(32))


def test_another_version_is_said_so_on_both_sides():
    server, client = Handshake(KEY, server=True), Handshake(KEY, server=False)
    hello = bytearray(server.begin())
    hello[5] = 9
    with pytest.raises(WireError, match="version 9") as refused:
        client.feed(bytes(hello))
    assert refused.value.code == "CHIM712"
    answer = bytearray(Handshake(KEY, server=False).feed(server.begin()))
    answer[5] = 9
    with pytest.raises(WireError, match="version 9"):
        server.feed(bytes(answer))


def test_no_peer_at_all_is_said_so():
    with pytest.raises(WireError, match="no agent"):
        Handshake(KEY, server=True).feed(b"GET / HTTP/1.1\r\n" + bytes(54))


def test_a_frame_larger_than_the_machine_is_refused_before_room_is_made_for_it(monkeypatch):
    header = FrameWriter(KEY).encode({"do": "x"}, [bytes(1000)])[0][:HEADER_BYTES]
    monkeypatch.setattr(module, "MAX_BUFFER_BYTES", 999)
    with pytest.raises(WireError, match="impossible size"):
        FrameReader(KEY).sizes(header)
