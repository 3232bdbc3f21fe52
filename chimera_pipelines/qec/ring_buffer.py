"""A ring of fixed memory between one producer and one consumer, in one process or in two.

Layout, all numbers 64 bit: a page of counters, then the slots. Each counter has one writer. A slot
is (sequence number, length, CRC-32 of number and payload, payload). The producer writes the slot's
sequence number last; the consumer reads a slot when it carries the number it waits for and the
checksum fits, and gives it back by raising its counter of messages read. Numbers go up by one, so a
loss or a torn slot is found and not read over. On processors that reorder stores a slot may show
its number before its payload: the checksum fails, and the consumer looks again.

A full ring holds the producer back (`push` waits, `try_push` says no). With `host_slots` it spills
into that many slots of the producer's own memory first, in order; how often is counted and shown.
Nothing is ever dropped.
"""

from __future__ import annotations

import mmap
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chimera_pipelines.qec import ring_buffer_memory as place
from chimera_pipelines.qec.ring_buffer_memory import PAGE, SLOT_HEAD, Nap, RingError

_TORN_READS: Final = 10_000

Data = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class RingCounters:
    """What a ring has done; every figure counts from its beginning.

    Attributes:
        pushed: messages that the producer gave, those still on the host included.
        popped: messages that the consumer took.
        in_ring: messages in the ring now.
        in_host: messages spilled and not yet moved into the ring; known to the producer alone.
        waits: times that the producer was held back.
        spilled: messages that went through the host because the ring was full.
        deepest: most messages that were on the host at once.
    """

    pushed: int
    popped: int
    in_ring: int
    in_host: int
    waits: int
    spilled: int
    deepest: int


class SyndromeRingBuffer:
    """One end, or both ends, of a ring. `create` makes it, `open` finds it by its file.

    A ring without a file is shared with children by `os.fork`.
    """

    def __init__(self, memory: mmap.mmap, host_slots: int = 0) -> None:
        """See `create` and `open`."""
        self._memory = memory
        self._bytes = memoryview(memory)
        self._words = self._bytes.cast("Q")
        self.slots, self.slot_bytes = self._words[place.SLOTS], self._words[place.SIZE]
        self._stride = SLOT_HEAD + -(-self.slot_bytes // 8) * 8
        self._host: deque[bytes] = deque()
        self._host_slots = host_slots

    @classmethod
    def create(
        cls, slots: int, slot_bytes: int, *, path: Path | None = None, host_slots: int = 0
    ) -> SyndromeRingBuffer:
        """A new, empty ring.

        Args:
            slots: messages that it holds.
            slot_bytes: longest message.
            path: a new file, readable by this user alone, for a consumer that is no child.
            host_slots: messages that may spill into the producer's own memory.

        Raises:
            RingError: CHIM797 for sizes that are none, or a file that cannot be made.
        """
        if host_slots < 0:
            raise RingError("CHIM797", f"{host_slots!r} slots on the host", hint="0 for none")
        return cls(place.made(slots, slot_bytes, path), host_slots)

    @classmethod
    def open(cls, path: Path, *, host_slots: int = 0) -> SyndromeRingBuffer:
        """The ring in a file that another process made.

        Raises:
            RingError: CHIM797 when there is none, it is another user's, or it is no ring.
        """
        return cls(place.found(path), host_slots)

    def try_push(self, data: Data) -> bool:
        """Gives a message, unless ring and host are full.

        Raises:
            RingError: CHIM797 for a message longer than a slot; CHIM798 when the consumer has left.
        """
        if len(data) > self.slot_bytes:
            raise RingError(
                "CHIM797",
                f"a message of {len(data)} bytes for slots of {self.slot_bytes}",
                hint="make the ring with larger slots",
            )
        if self.left:
            raise RingError(
                "CHIM798", "the consumer has left the ring", hint="start a decoder on a new ring"
            )
        self.flush()
        if not self._host and self._put(data):
            return True
        if len(self._host) >= self._host_slots:
            return False
        self._host.append(bytes(data))
        self._words[place.SPILLED] += 1
        self._words[place.DEEPEST] = max(self._words[place.DEEPEST], len(self._host))
        return True

    def push(self, data: Data, *, timeout_s: float = 60.0) -> None:
        """Gives a message; waits while ring and host are full.

        Raises:
            RingError: CHIM798 when no slot became free in time; as `try_push`.
        """
        if self.try_push(data):
            return
        self.held_back()
        nap = Nap(timeout_s)
        while not self.try_push(data):
            if not nap.again():
                raise RingError(
                    "CHIM798",
                    f"no slot of {self.slots} became free in {timeout_s} s",
                    hint="the decoder is too slow or gone; more slots only delay that",
                )

    def held_back(self) -> None:
        """Counts one wait of the producer, who does the waiting itself."""
        self._words[place.WAITS] += 1

    def flush(self) -> bool:
        """Moves spilled messages into the ring as far as it has room; whether none is left."""
        while self._host and self._put(self._host[0]):
            self._host.popleft()
        return not self._host

    def end(self) -> bool:
        """The producer has given its last message; False while some are still on the host."""
        done = self.flush()
        if done:
            self._words[place.ENDED] = 1
        return done

    def try_pop(self) -> bytes | None:
        """The next message, or None when there is none now.

        Raises:
            RingError: CHIM797 when the slot holds another message than the next.
        """
        popped = self._words[place.POPPED]
        at = PAGE + popped % self.slots * self._stride
        word = at // 8
        for _ in range(_TORN_READS):
            number = self._words[word]
            if number != popped + 1:
                if number > popped + 1:
                    break
                return None
            length, check = self._words[word + 1], self._words[word + 2]
            if length <= self.slot_bytes:
                data = bytes(self._bytes[at + SLOT_HEAD : at + SLOT_HEAD + length])
                if zlib.crc32(data, number & 0xFFFFFFFF) == check:
                    self._words[place.POPPED] = popped + 1
                    return data
        found = f"was overwritten by {number}" if number > popped + 1 else "has another checksum"
        raise RingError(
            "CHIM797",
            f"message {popped + 1} of the ring {found}",
            hint="a ring has one producer and one consumer, and nobody else writes its memory",
        )

    def pop(self, *, timeout_s: float = 60.0) -> bytes | None:
        """The next message, waiting for it; None when the producer has ended and all are read.

        Raises:
            RingError: CHIM798 when none came in time; as `try_pop`.
        """
        nap = Nap(timeout_s)
        while True:
            ended = self.ended  # read first: what came before the end is still seen below
            data = self.try_pop()
            if data is not None or ended:
                return data
            if not nap.again():
                raise RingError(
                    "CHIM798", f"no message in {timeout_s} s", hint="the producer is gone or slow"
                )

    @property
    def ended(self) -> bool:
        """Whether the producer has given its last message."""
        return bool(self._words[place.ENDED])

    @property
    def left(self) -> bool:
        """Whether the consumer takes no more."""
        return bool(self._words[place.LEFT])

    def leave(self) -> None:
        """The consumer takes no more: the producer's next push is refused."""
        self._words[place.LEFT] = 1

    def counters(self) -> RingCounters:
        """What the ring has done so far."""
        words = self._words
        pushed, popped = words[place.PUSHED], words[place.POPPED]
        return RingCounters(
            pushed=pushed + len(self._host),
            popped=popped,
            in_ring=pushed - popped,
            in_host=len(self._host),
            waits=words[place.WAITS],
            spilled=words[place.SPILLED],
            deepest=words[place.DEEPEST],
        )

    def close(self) -> None:
        """Lets go of the memory; the file, if any, stays for its owner to remove."""
        self._words.release()
        self._bytes.release()
        self._memory.close()

    def _put(self, data: Data) -> bool:
        words = self._words
        pushed = words[place.PUSHED]
        if pushed - words[place.POPPED] >= self.slots:
            return False
        at = PAGE + pushed % self.slots * self._stride
        word, number = at // 8, pushed + 1
        self._bytes[at + SLOT_HEAD : at + SLOT_HEAD + len(data)] = data
        words[word + 1] = len(data)
        words[word + 2] = zlib.crc32(data, number & 0xFFFFFFFF)
        words[word] = number
        words[place.PUSHED] = number
        return True
