"""A session's way to its decoder: two rings and whoever decodes; a process that dies is replaced.

A new process goes on behind the last window that was told. What it needs the head has: the rounds
pushed since then, packed, and the artificial defects that the windows before have left, which each
update brings along. It is a fork, so both are in its memory already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chimera_pipelines.qec.ring_buffer import RingCounters, SyndromeRingBuffer
from chimera_pipelines.qec.ring_buffer_memory import RingError
from chimera_pipelines.qec.session_decoder import DecoderSide, Place, started
from chimera_pipelines.qec.session_report import FrameUpdate, read_update
from chimera_pipelines.qec.session_windows import WindowFeed

MOST_DEATHS: Final = 3
"""Decoders that may die one after the other without a window told between."""


class DecoderLink:
    """Rounds to a decoder, and its updates back.

    Args:
        feed: the memory's windows, from the beginning.
        slots: rounds that the ring holds, at most.
        host_slots: rounds that may wait in the head's own memory.
        where: who decodes.

    Attributes:
        decoder: who decodes now.
        restarts: decoders that were replaced.
    """

    def __init__(self, feed: WindowFeed, *, slots: int, host_slots: int, where: Place) -> None:
        """See `DecoderLink`."""
        self._feed, self._where = feed, where
        self._slots, self._host_slots = min(slots, feed.rounds), host_slots
        self._pushed = self._through = self._window = self._deaths = self.restarts = 0
        self._kept = deque[bytes]()  # rounds that a new decoder would need
        self._defects = feed.nothing_seen()
        self._before = RingCounters(0, 0, 0, 0, 0, 0, 0)
        self._open(feed, ())

    def try_push(self, data: bytes) -> bool:
        """Gives the next round, unless ring and host are full.

        Raises:
            RingError: CHIM797, CHIM798 as `SyndromeRingBuffer.try_push`.
        """
        if not self._rounds.try_push(data):
            return False
        self._pushed += 1
        if self._where == "process":
            self._kept.append(data)
        if self._pushed == self._feed.rounds:
            self._rounds.end()
        return True

    def held_back(self) -> None:
        """Counts one wait of the head."""
        self._rounds.held_back()

    def received(self) -> list[FrameUpdate]:
        """What the decoder has told since; replaces one that has died.

        Raises:
            RingError: CHIM798 when it has ended early and no other goes on, CHIM797 when the ring's
                memory is damaged.
        """
        if self._rounds.flush() and self._pushed == self._feed.rounds:
            self._rounds.end()
        ended = self.decoder.ended()  # asked first: what it sent before its end is still read
        found = []
        while (data := self._updates.try_pop()) is not None:
            carried = sum(spans.size for spans in self._feed.carried(self._window))
            update = read_update(data, self._feed.shots, self._feed.observables, carried)
            self._learn(update)
            found.append(update)
        if ended is not None and not found and self._through < self._feed.rounds:
            self._restart(ended)
        return found

    def counters(self) -> RingCounters:
        """What the ring of rounds has done, those of decoders before included."""
        old, new = self._before, self._rounds.counters()
        return replace(
            new,
            pushed=old.pushed + new.pushed,
            popped=old.popped + new.popped,
            waits=old.waits + new.waits,
            spilled=old.spilled + new.spilled,
            deepest=max(old.deepest, new.deepest),
        )

    def close(self) -> None:
        """Ends the decoder and lets go of the rings."""
        self._rounds.leave()
        self._updates.leave()
        self.decoder.close()
        self._rounds.close()
        self._updates.close()

    def _learn(self, update: FrameUpdate) -> None:
        begin = 0
        for observable, spans in enumerate(self._feed.carried(update.window)):
            defects = update.defects[:, begin : begin + spans.size]
            self._defects.carry(observable, spans, defects)
            begin += spans.size
        self._defects.drop(update.through)
        if self._kept:
            for _ in range(update.through - self._through):
                self._kept.popleft()
        self._window, self._through, self._deaths = update.window + 1, update.through, 0

    def _restart(self, why: str) -> None:
        self._deaths += 1
        if self._where != "process" or self._deaths >= MOST_DEATHS:
            raise RingError(
                "CHIM798",
                f"the decoder ended early: {why}; {self.restarts} were replaced",
                hint="decode the memory again, best with where='inline', which shows the error",
            )
        self.restarts += 1
        # What lay in the old rings is kept here, and counts as read: the new one begins with it.
        now = self.counters()
        self._before = replace(now, popped=now.pushed, in_ring=0, in_host=0)
        self._rounds.close()
        self._updates.close()
        self._open(self._feed.after(self._window, self._defects), tuple(self._kept))

    def _open(self, feed: WindowFeed, backlog: Sequence[bytes]) -> None:
        widest = max(1, *(-(-columns.size * feed.shots // 8) for columns in feed.columns))
        self._rounds = SyndromeRingBuffer.create(self._slots, widest, host_slots=self._host_slots)
        places = min(max(self._slots, 16), len(feed.ends))
        self._updates = SyndromeRingBuffer.create(places, feed.update_bytes)
        if self._pushed == feed.rounds:
            self._rounds.end()
        self.decoder: DecoderSide = started(feed, self._rounds, self._updates, self._where, backlog)
