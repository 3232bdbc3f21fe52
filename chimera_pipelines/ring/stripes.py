"""An artefact as stripes: each chunk of it is protected and coded alone.

Stripe i of the plaintext becomes four pieces, and share j is all pieces j in order. So sealing,
coding, digests and reading or writing work on one stripe at a time while it lies in the cache, by
as many threads as there are; nothing as large as the artefact is held beside it.

Where a tag is added depends on the cipher: to the chunk before it is coded (aes-256, aes-512), or
to each piece after that, when every share is under another head's key (aes-2048).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from chimera_pipelines.ring.code import SHARES, encode, rebuild, share_length
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.layout import Layout
from chimera_pipelines.ring.seal import TAG, Seal
from chimera_pipelines.ring.workers import each

Put: TypeAlias = Callable[[int, int, Bytes], None]
"""Share, offset in the share, bytes."""
ReadInto: TypeAlias = Callable[[int, int, memoryview], None]
"""Share, offset in the share, where to."""


class Protection(Protocol):
    """What is done to a chunk before it is coded, and to its pieces afterwards."""

    def payload(self, stripe: int, plain: memoryview) -> Bytes:
        """What is coded."""
        ...

    def piece(self, share: int, stripe: int, coded: Bytes) -> Bytes:
        """What lies in the share."""
        ...

    def open_piece(self, share: int, stripe: int, stored: memoryview) -> memoryview:
        """The inverse of `piece`."""
        ...

    def open_payload(self, stripe: int, payload: memoryview, out: memoryview) -> None:
        """The inverse of `payload`."""
        ...


class Bare:
    """No encryption."""

    def payload(self, stripe: int, plain: memoryview) -> Bytes:
        """As `Protection`."""
        del stripe
        return plain

    def piece(self, share: int, stripe: int, coded: Bytes) -> Bytes:
        """As `Protection`."""
        del share, stripe
        return coded

    def open_piece(self, share: int, stripe: int, stored: memoryview) -> memoryview:
        """As `Protection`."""
        del share, stripe
        return stored

    def open_payload(self, stripe: int, payload: memoryview, out: memoryview) -> None:
        """As `Protection`."""
        del stripe
        out[:] = payload


class Whole(Bare):
    """Chunks sealed under one head's key."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def payload(self, stripe: int, plain: memoryview) -> Bytes:
        """As `Protection`; padded with zeros to what the code wants, so that it copies nothing."""
        sealed = len(plain) + TAG
        out = bytearray(2 * share_length(sealed))
        self._seal.close_chunk(stripe, plain, memoryview(out)[:sealed])
        return out

    def open_payload(self, stripe: int, payload: memoryview, out: memoryview) -> None:
        """As `Protection`."""
        self._seal.open_chunk(stripe, payload, out)


class Split(Bare):
    """Pieces sealed, those of each share under another head's key."""

    def __init__(self, seals: Sequence[Seal]) -> None:
        self._seals = seals

    def piece(self, share: int, stripe: int, coded: Bytes) -> Bytes:
        """As `Protection`."""
        out = bytearray(len(coded) + TAG)
        self._seals[share].close_chunk(stripe, coded, out)
        return out

    def open_piece(self, share: int, stripe: int, stored: memoryview) -> memoryview:
        """As `Protection`."""
        out = bytearray(len(stored) - TAG)
        self._seals[share].open_chunk(stripe, stored, out)
        return memoryview(out)


def spread(data: memoryview, layout: Layout, protection: Protection, put: Put) -> tuple[str, ...]:
    """Put every piece of every share; gives the shares' digests.

    Args:
        data: the plaintext, `layout.length` bytes.
        layout, protection: how it is coded and sealed.
        put: called from several threads.
    """
    sums = [bytearray(32 * layout.stripes) for _ in range(SHARES)]

    def one(stripe: int) -> None:
        coded = encode(protection.payload(stripe, data[layout.plain(stripe)]))
        for share, part in enumerate(coded):
            stored = protection.piece(share, stripe, part)
            sums[share][32 * stripe : 32 * stripe + 32] = hashlib.sha256(stored).digest()
            put(share, layout.offset(stripe), stored)

    each(one, layout.stripes)
    return tuple(digest_of_sums(one) for one in sums)


class Spent:
    """Seconds of threads that were spent in reading and XOR, and in opening what is sealed."""

    def __init__(self) -> None:
        self.rebuild = self.decrypt = 0.0
        self._lock = threading.Lock()

    def add(self, rebuild: float, decrypt: float) -> None:
        """Of one stripe."""
        with self._lock:
            self.rebuild += rebuild
            self.decrypt += decrypt


def collect(
    read: ReadInto,
    pair: tuple[int, int],
    layout: Layout,
    protection: Protection,
    out: memoryview,
    spent: Spent | None = None,
) -> None:
    """Rebuild the plaintext into `out` from two shares.

    Args:
        read: called from several threads.
        pair: numbers of the shares, ascending.
        layout, protection: how it was coded and sealed.
        out: `layout.length` bytes.
        spent: gets the seconds of all threads.

    Raises:
        CheckpointError: CHIM511, what is sealed does not open.
        OSError: a store cannot be read.
    """
    scratch = threading.local()

    def one(stripe: int) -> None:
        begun = time.perf_counter()
        pieces = _buffers(scratch, 2 * layout.piece(0))
        size = layout.piece(stripe)
        stored = [pieces[:size], pieces[size : 2 * size]]
        for share, part in zip(pair, stored, strict=True):
            read(share, layout.offset(stripe), part)
        payload = _payload(stripe, pair, stored, pieces[: 2 * size], layout, protection)
        coded = time.perf_counter()
        protection.open_payload(stripe, payload, out[layout.plain(stripe)])
        if spent is not None:
            spent.add(coded - begun, time.perf_counter() - coded)

    each(one, layout.stripes)


def _payload(
    stripe: int,
    pair: tuple[int, int],
    stored: Sequence[memoryview],
    both: memoryview,
    layout: Layout,
    protection: Protection,
) -> memoryview:
    if pair == (0, 1) and not layout.after:  # the two halves of the payload, one after the other
        return both[: layout.payload(stripe)]
    opened = {
        share: protection.open_piece(share, stripe, part)
        for share, part in zip(pair, stored, strict=True)
    }
    return rebuild(opened, layout.payload(stripe))


def remake(
    read: ReadInto,
    pair: tuple[int, int],
    wanted: Sequence[int],
    layout: Layout,
    protection: Protection,
    put: Put,
) -> dict[int, str]:
    """Put the pieces of shares that were lost, from two that are good; gives their digests.

    A protection of chunks is not asked for anything: what is coded is what is sealed.
    """
    sums = {share: bytearray(32 * layout.stripes) for share in wanted}

    def one(stripe: int) -> None:
        size = layout.piece(stripe)
        both = memoryview(bytearray(2 * size))
        stored = [both[:size], both[size:]]
        for share, part in zip(pair, stored, strict=True):
            read(share, layout.offset(stripe), part)
        coded = encode(_payload(stripe, pair, stored, both, layout, protection))
        for share in wanted:
            piece = protection.piece(share, stripe, coded[share])
            sums[share][32 * stripe : 32 * stripe + 32] = hashlib.sha256(piece).digest()
            put(share, layout.offset(stripe), piece)

    each(one, layout.stripes)
    return {share: digest_of_sums(found) for share, found in sums.items()}


def digest_of_share(read: Callable[[int, memoryview], None], layout: Layout) -> str:
    """The digest of one share as it lies in its store."""
    sums = bytearray(32 * layout.stripes)
    scratch = threading.local()

    def one(stripe: int) -> None:
        piece = _buffers(scratch, layout.piece(0))[: layout.piece(stripe)]
        read(layout.offset(stripe), piece)
        sums[32 * stripe : 32 * stripe + 32] = hashlib.sha256(piece).digest()

    each(one, layout.stripes)
    return digest_of_sums(sums)


def digest_of_sums(sums: Bytes) -> str:
    """A share's digest: SHA-256 over the SHA-256 of each of its pieces."""
    return "sha256:" + hashlib.sha256(sums).hexdigest()


def _buffers(scratch: threading.local, size: int) -> memoryview:
    """Memory of this thread for one stripe: fresh memory costs more than what is done in it."""
    if not hasattr(scratch, "memory"):
        scratch.memory = memoryview(bytearray(size))
    memory: memoryview = scratch.memory
    return memory
