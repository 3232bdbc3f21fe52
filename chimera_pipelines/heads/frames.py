"""Frames between heads, agent and clients, and the handshake before them: bytes in, bytes out.

    header   magic, version, number of buffers, bytes of JSON, bytes of all buffers, seal (16)
    table    length of each buffer, 8 bytes
    JSON     one object
    buffers  raw
    seal     32 bytes

Both seals are HMAC-SHA256 under the key of the connection and direction, over the frame's number
and what they seal: a frame that was changed, forged, repeated or left out is refused. The header
has its own, so that no length is believed before it is known to be the sender's.

Handshake: the server sends a nonce; the client its own nonce and a proof that it knows the secret
of state.json; the server its proof. Keys come from secret and nonces, so each connection has new
ones. Nothing opens a socket here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chimera_pipelines.errors import ChimeraError, ExitCode

Bytes: TypeAlias = "bytes | bytearray | memoryview"

VERSION = 1
MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_BUFFERS = 4096
MAX_BUFFER_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # none holds more
HEADER_BYTES = 36
SEAL_BYTES = 32

_MAGIC = b"CHIW"
_HEADER = struct.Struct(">4sHHIQ")
_HELLO = struct.Struct(">4sH32s")
_ANSWER = struct.Struct(">4sH32s32s")
_SHORT = HEADER_BYTES - _HEADER.size


class WireError(ChimeraError):
    """What came over a connection is not what a peer of ours sends: CHIM712, CHIM713."""

    exit_code = ExitCode.NO_HEAD


@dataclass(frozen=True, slots=True)
class Message:
    """One frame as it came: a JSON object and its raw buffers."""

    frame: dict[str, Any]
    buffers: tuple[memoryview, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a header announces."""

    buffers: int
    json_bytes: int
    buffer_bytes: int

    @property
    def body(self) -> int:
        """Bytes that follow the header."""
        return 8 * self.buffers + self.json_bytes + self.buffer_bytes + SEAL_BYTES


class FrameWriter:
    """Frames of one direction of one connection, numbered and sealed."""

    def __init__(self, key: bytes) -> None:
        self._seal = hmac.new(key, digestmod=hashlib.sha256)
        self._number = 0

    def encode(self, frame: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> list[Bytes]:
        """The parts of a frame, in order; buffers are passed on, not copied.

        Raises:
            ValueError: NaN and infinities, too much JSON, or too many buffers.
        """
        text = json.dumps(frame, allow_nan=False, separators=(",", ":")).encode()
        views = [memoryview(item).cast("B") for item in buffers]
        if len(text) > MAX_JSON_BYTES or len(views) > MAX_BUFFERS:
            raise ValueError(f"a frame of {len(text)} bytes of JSON and {len(views)} buffers")
        total = sum(len(view) for view in views)
        header = _HEADER.pack(_MAGIC, VERSION, len(views), len(text), total)
        table = struct.pack(f">{len(views)}Q", *(len(view) for view in views))
        short = _sealed(self._seal, self._number, header)[:_SHORT]
        head = b"".join((header, short, table, text))
        seal = _sealed(self._seal, self._number, head, *views)
        self._number += 1
        return [head, *views, seal]


class FrameReader:
    """Reads the frames of one direction of one connection, in their order."""

    def __init__(self, key: bytes) -> None:
        self._seal = hmac.new(key, digestmod=hashlib.sha256)
        self._number = 0

    def sizes(self, header: Bytes) -> Sizes:
        """What the header of the next frame announces.

        Raises:
            WireError: CHIM713, the other side did not send it like this.
        """
        bare, short = bytes(header[: _HEADER.size]), bytes(header[_HEADER.size :])
        magic, version, count, json_bytes, buffer_bytes = _HEADER.unpack(bare)
        seal = _sealed(self._seal, self._number, bare)[:_SHORT]
        if magic != _MAGIC or not hmac.compare_digest(seal, short):
            raise corrupted("a frame's header was changed on the way")
        huge = json_bytes > MAX_JSON_BYTES or buffer_bytes > MAX_BUFFER_BYTES
        if version != VERSION or huge or count > MAX_BUFFERS:
            raise corrupted("a frame of impossible size")
        return Sizes(count, json_bytes, buffer_bytes)

    def decode(self, header: Bytes, sizes: Sizes, body: Bytes) -> Message:
        """The frame of a header and the `sizes.body` bytes that follow it.

        Raises:
            WireError: CHIM713, as above.
        """
        view = memoryview(body)
        covered, seal = view[:-SEAL_BYTES], view[-SEAL_BYTES:]
        wanted = _sealed(self._seal, self._number, header, covered)
        if not hmac.compare_digest(wanted, seal):
            raise corrupted("a frame was changed on the way")
        self._number += 1
        start = 8 * sizes.buffers
        lengths = struct.unpack(f">{sizes.buffers}Q", covered[:start])
        end = start + sizes.json_bytes
        try:
            frame = json.loads(bytes(covered[start:end]))
        except (ValueError, RecursionError) as error:
            raise corrupted(f"a frame holds no JSON: {error}") from None
        if not isinstance(frame, dict) or sum(lengths) != sizes.buffer_bytes:
            raise corrupted("a frame holds no object")
        buffers = []
        for length in lengths:
            buffers.append(covered[end : end + length])
            end += length
        return Message(frame, tuple(buffers))


class FrameDecoder:
    """Collects bytes of a connection that is read without blocking, until frames are whole.

    Args:
        key: of the direction.
        max_bytes: of one frame; more is refused before it is collected.
    """

    def __init__(self, key: bytes, *, max_bytes: int) -> None:
        self._reader = FrameReader(key)
        self._max = max_bytes
        self._buffer = bytearray()
        self._sizes: Sizes | None = None

    def feed(self, data: Bytes) -> list[Message]:
        """The messages that are whole now.

        Raises:
            WireError: CHIM713, what came is no frame of the other side.
        """
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if len(self._buffer) < HEADER_BYTES:
            return None
        header = bytes(self._buffer[:HEADER_BYTES])
        if self._sizes is None:
            self._sizes = self._reader.sizes(header)
            if self._sizes.body > self._max:
                raise corrupted(f"a frame of {self._sizes.body} bytes where {self._max} are taken")
        end = HEADER_BYTES + self._sizes.body
        if len(self._buffer) < end:
            return None
        message = self._reader.decode(header, self._sizes, bytes(self._buffer[HEADER_BYTES:end]))
        del self._buffer[:end]
        self._sizes = None
        return message


class Handshake:
    """One side of the handshake: send what `begin` gives, then feed it `need` bytes at a time.

    Attributes:
        need: bytes that the other side sends next; 0 when the handshake is done.
    """

    def __init__(self, secret: bytes, *, server: bool) -> None:
        self._secret = secret
        self._server = server
        self._nonce = secrets.token_bytes(32)
        self._nonces = b""
        self.need = _ANSWER.size if server else _HELLO.size

    def begin(self) -> bytes:
        """What this side sends before it has heard anything."""
        return _HELLO.pack(_MAGIC, VERSION, self._nonce) if self._server else b""

    def feed(self, data: bytes) -> bytes:
        """What this side answers; may be empty.

        Raises:
            WireError: CHIM712 another version; CHIM713 no peer, or it does not know the secret.
        """
        if self._server:
            return self._greet(data)
        return self._answer(data) if not self._nonces else self._accept(data)

    def keys(self) -> tuple[bytes, bytes]:
        """Keys for sending and receiving, once the handshake is done."""
        client, server = (_derive(self._secret, name, self._nonces) for name in (b"c", b"s"))
        return (server, client) if self._server else (client, server)

    def _greet(self, data: bytes) -> bytes:
        magic, version, nonce, proof = _ANSWER.unpack(data)
        _check_version(magic, version)
        self._nonces = self._nonce + nonce
        self._check(proof, b"client")
        self.need = 0
        return _derive(self._secret, b"server", self._nonces)

    def _answer(self, data: bytes) -> bytes:
        magic, version, nonce = _HELLO.unpack(data)
        _check_version(magic, version)
        self._nonces = nonce + self._nonce
        self.need = SEAL_BYTES
        proof = _derive(self._secret, b"client", self._nonces)
        return _ANSWER.pack(_MAGIC, VERSION, self._nonce, proof)

    def _accept(self, data: bytes) -> bytes:
        self._check(data, b"server")
        self.need = 0
        return b""

    def _check(self, proof: bytes, name: bytes) -> None:
        if not hmac.compare_digest(proof, _derive(self._secret, name, self._nonces)):
            raise corrupted("the other side does not know the secret of this agent")


def corrupted(what: str) -> WireError:
    """CHIM713."""
    return WireError("CHIM713", what, hint="see that nothing else uses the heads' directory")


def _check_version(magic: bytes, version: int) -> None:
    if magic != _MAGIC:
        raise corrupted("the other side is no agent, head or client")
    if version != VERSION:
        raise WireError(
            "CHIM712",
            f"the other side speaks version {version} of the heads' protocol, this one {VERSION}",
            hint="run 'chimera heads down' and 'chimera heads up' with the installed version",
        )


def _derive(secret: bytes, name: bytes, nonces: bytes) -> bytes:
    return hmac.digest(secret, b"chimera.heads/1 " + name + b" " + nonces, "sha256")


def _sealed(seal: hmac.HMAC, number: int, *parts: Bytes) -> bytes:
    mine = seal.copy()
    mine.update(number.to_bytes(8, "big"))
    for part in parts:
        mine.update(part)
    return mine.digest()
