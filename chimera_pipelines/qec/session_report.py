"""What a session tells: frame updates as they travel, and the times of both sides in figures."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chimera_pipelines.qec.ring_buffer import RingCounters

_HEAD: Final = struct.Struct("<QQQQQ")


@dataclass(frozen=True, slots=True)
class FrameUpdate:
    """Corrections that have become final.

    Attributes:
        window: number of the window.
        through: rounds whose corrections are final now.
        flips: uint8[shots, observables], what this window adds to the frame.
        began_ns: when it was taken up, on the machine's monotonic clock.
        ended_ns: when it was decoded.
        cpu_ns: processor time of its decoding.
        defects: uint8[shots, ids], artificial ones that it leaves, for each observable those of its
            window's `carried`.
    """

    window: int
    through: int
    flips: npt.NDArray[np.uint8]
    began_ns: int
    ended_ns: int
    cpu_ns: int
    defects: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))


def update_bytes(shots: int, observables: int, carried: int) -> int:
    """Bytes of an update with so many defects a shot as it travels."""
    return _HEAD.size + -(-shots * observables // 8) + -(-shots * carried // 8)


def write_update(update: FrameUpdate) -> bytes:
    """The update as it travels."""
    head = _HEAD.pack(
        update.window, update.through, update.began_ns, update.ended_ns, update.cpu_ns
    )
    bits = (update.flips, update.defects)
    return head + b"".join(np.packbits(one, bitorder="little").tobytes() for one in bits)


def read_update(data: bytes, shots: int, observables: int, carried: int = 0) -> FrameUpdate:
    """The inverse of `write_update`."""
    window, through, began, ended, cpu = _HEAD.unpack_from(data)
    raw, parts = np.frombuffer(data, np.uint8, offset=_HEAD.size), []
    for width in (observables, carried):
        size = -(-shots * width // 8)
        bits = np.unpackbits(raw[:size], count=shots * width, bitorder="little")
        parts.append(bits.reshape(shots, width))
        raw = raw[size:]
    return FrameUpdate(window, through, parts[0], began, ended, cpu, parts[1])


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A session in figures.

    Attributes:
        where: who decoded: "process", "thread" or "inline".
        shots: memories side by side.
        rounds: rounds pushed.
        windows: windows decoded.
        decode_s: time in which windows were being decoded.
        decode_cpu_s: processor time of that.
        overlap: share of `decode_s` in which the head was free to go on: before the last round was
            pushed, less what the head spent held back by a full ring meanwhile.
        blocked_s: time that the head was held back.
        head_s: from the first push to the last.
        reaction_s: from the last push until the last window was decoded.
        us_per_round: decoding time of a round of one shot, in microseconds.
        ring: counters of the ring of syndromes: waits and spills among them.
        restarts: decoders that died and were replaced.
    """

    where: str
    shots: int
    rounds: int
    windows: int
    decode_s: float
    decode_cpu_s: float
    overlap: float
    blocked_s: float
    head_s: float
    reaction_s: float
    us_per_round: float
    ring: RingCounters
    restarts: int

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)


@dataclass(slots=True)
class Timings:
    """Times of a session's two sides, on the machine's one monotonic clock.

    Stretches that nothing to come can change are added up, and not kept.

    Attributes:
        first: when the first push began.
        last: when the latest push ended.
        busy: when windows were decoded, those not yet added up.
        held: when the head was held back, likewise.
        cpu: processor time of decoding.
        windows: how many are added up.
        decode: time of them.
        hidden: time of them in which the head was free.
        blocked_ns: time of held stretches that are added up.
        final: end of the last window that is added up.
    """

    first: int = 0
    last: int = 0
    busy: list[tuple[int, int]] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)
    cpu: int = 0
    windows: int = 0
    decode: int = 0
    hidden: int = 0
    blocked_ns: int = 0
    final: int = 0

    def began(self) -> None:
        """A push begins."""
        if not self.first:
            self.first = time.monotonic_ns()

    def pushed(self) -> None:
        """A push has ended."""
        self.last = time.monotonic_ns()
        while self.busy and self.busy[0][1] <= self.last:
            one = self.busy.pop(0)
            self.windows, self.final = self.windows + 1, one[1]
            self.decode += one[1] - one[0]
            self.hidden += self._free(one)
        # Windows are decoded one behind the other: the next begins behind the last one's end.
        while self.held and self.held[0][1] <= self.final:
            start, end = self.held.pop(0)
            self.blocked_ns += end - start

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """While the head is held back."""
        began = time.monotonic_ns()
        try:
            yield
        finally:
            self.held.append((began, time.monotonic_ns()))

    def decoded(self, update: FrameUpdate, now: int) -> None:
        """A window has been decoded; `now` caps clocks that run ahead."""
        self.busy.append((update.began_ns, min(update.ended_ns, now)))
        self.cpu += update.cpu_ns

    def report(
        self, *, where: str, shots: int, rounds: int, ring: RingCounters, restarts: int = 0
    ) -> SessionReport:
        """The figures."""
        decode = self.decode + sum(end - start for start, end in self.busy)
        hidden = self.hidden + sum(self._free(one) for one in self.busy)
        if where == "inline":  # it stands in the head's way, whenever it is
            hidden = 0
        final = max((end for _, end in self.busy), default=self.final or self.last)
        done = max(1, rounds * shots)
        return SessionReport(
            where=where,
            shots=shots,
            rounds=rounds,
            windows=self.windows + len(self.busy),
            decode_s=decode / 1e9,
            decode_cpu_s=self.cpu / 1e9,
            overlap=max(0, hidden) / decode if decode else 0.0,
            blocked_s=(self.blocked_ns + sum(end - start for start, end in self.held)) / 1e9,
            head_s=(self.last - self.first) / 1e9,
            reaction_s=max(0, final - self.last) / 1e9,
            us_per_round=decode / 1e3 / done,
            ring=ring,
            restarts=restarts,
        )

    def _free(self, one: tuple[int, int]) -> int:
        """Time of a window's decoding in which the head was free to go on."""
        hidden = max(0, min(one[1], self.last) - one[0])
        return hidden - sum(_common(one, other) for other in self.held)


def _common(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))
