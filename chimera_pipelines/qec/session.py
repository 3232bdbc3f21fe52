"""Decoding while rounds come in: a head pushes syndromes, a decoder follows in sliding windows.

The head and the decoder share two rings (`ring_buffer`): rounds go one way, frame updates the
other. Corrections are never applied, they are book-keeping of the Pauli frame, so the head waits
only where it asks for a frame that is not there yet. The decoder is a forked process ("process":
the two run at the same time), a thread ("thread": for a sandbox, which has no second process;
matching holds Python's lock, so decoding hides only in the head's waits) or nobody ("inline":
decoded as rounds are pushed; the reference of the other two). A process that dies is replaced, and
the new one goes on behind the last window that was told (`session_link`).

How much decoding was hidden is measured on one clock for both sides (`SessionReport.overlap`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import stim

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.ring_buffer_memory import Nap, RingError
from chimera_pipelines.qec.session_decoder import Place
from chimera_pipelines.qec.session_frames import Frames
from chimera_pipelines.qec.session_link import DecoderLink
from chimera_pipelines.qec.session_report import FrameUpdate, SessionReport, Timings
from chimera_pipelines.qec.session_windows import WindowFeed, windows_of
from chimera_pipelines.qec.windows import SlidingWindow

Bits = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
_TIMEOUT_S = 60.0


class FrameFuture(Future[npt.NDArray[np.uint8]]):
    """A frame to come. Asking for its result lets the session read what the decoder has sent."""

    def __init__(self, session: DecoderSession) -> None:
        """Made by `DecoderSession.frame`."""
        super().__init__()
        self._session = session

    def result(self, timeout: float | None = None) -> npt.NDArray[np.uint8]:
        """uint8[shots]: the frame.

        Raises:
            RingError: CHIM798 when it does not come in time, or the decoder has ended.
        """
        self._session.wait_for(self, _TIMEOUT_S if timeout is None else timeout)
        return super().result(0)


class DecoderSession:
    """One memory, or a batch of shots of it, decoded while it runs.

    Args:
        windows: windows of one observable, or of several over the same detectors.
        shots: memories side by side.
        slots: rounds that the ring holds, at most; fewer where the memory has fewer.
        host_slots: rounds that may wait in the head's own memory when the ring is full.
        where: who decodes.

    Raises:
        DecodingError: CHIM793 for windows that do not belong together; CHIM794 for no shots.
    """

    def __init__(
        self,
        windows: SlidingWindow | Sequence[SlidingWindow],
        *,
        shots: int = 1,
        slots: int = 64,
        host_slots: int = 0,
        where: Place = "process",
    ) -> None:
        feed = WindowFeed(windows, shots=shots)
        self.shots, self.rounds, self.observables = shots, feed.rounds, feed.observables
        self._columns, self._where = feed.columns, where
        self._link = DecoderLink(feed, slots=slots, host_slots=host_slots, where=where)
        self._pushed = 0
        self._frames = Frames(feed)
        self._news = list[FrameUpdate]()
        self._timings = Timings()

    @classmethod
    def of_model(
        cls,
        model: stim.DetectorErrorModel,
        *,
        commit: int,
        buffer: int,
        times: Sequence[int] | None = None,
        inner: Any = None,
        **options: Any,
    ) -> DecoderSession:
        """A session over a model of one basis, for each observable windows of its own.

        Raises:
            DetectorModelError: CHIM792, DecodingError: CHIM793, as `SlidingWindow`.
        """
        windows = windows_of(model, commit=commit, buffer=buffer, times=times, inner=inner)
        return cls(windows, **options)

    def detectors(self, number: int) -> npt.NDArray[np.int64]:
        """Ids of the detectors of a round, in the order of its bits."""
        return self._columns[number]

    def push_round(self, bits: Bits, *, timeout_s: float = _TIMEOUT_S) -> None:
        """Gives the next round's detectors; waits only while the ring is full.

        Args:
            bits: 0 and 1, of shape [shots, detectors of the round], or [detectors] for one shot.
            timeout_s: longest wait for room in the ring.

        Raises:
            DecodingError: CHIM794 for bits of another shape, or a round too many.
            RingError: CHIM798 when no room came in time, or the decoder has ended.
        """
        data = self._packed(bits)
        self._timings.began()
        if not self._link.try_push(data):
            self._link.held_back()
            with self._timings.blocked():
                self._until(lambda: self._link.try_push(data), timeout_s, "room in the ring")
        self._pushed += 1
        self._timings.pushed()
        self._link.decoder.step()

    def poll(self) -> list[FrameUpdate]:
        """Updates since the last poll, in order; never waits. They are kept until then.

        Raises:
            RingError: CHIM798 when the decoder has ended before its work.
        """
        self._collect()
        news, self._news = self._news, []
        return news

    def frame(self, observable: int, round: int) -> FrameFuture:  # noqa: A002 - the field's word
        """The frame of an observable once the corrections of a round are final.

        It holds all corrections of the windows that are final by then: as many rounds as commit
        together. It resolves while the session is polled, or asked for a result. Rounds may be
        asked for ahead, and until they lie four windows (commit and buffer) behind the last push.

        Raises:
            DecodingError: CHIM794 for an observable or a round that the memory has not, or that
                lies too far behind.
        """
        future = FrameFuture(self)
        self._frames.ask(observable, round, self._pushed, future)
        return future

    def finish(self, *, timeout_s: float = _TIMEOUT_S) -> npt.NDArray[np.uint8]:
        """uint8[shots, observables]: the frame behind the last round; waits for it.

        Raises:
            DecodingError: CHIM794 while rounds are missing.
            RingError: CHIM798 when it does not come in time, or the decoder has ended.
        """
        if self._pushed < self.rounds:
            raise DecodingError(
                "CHIM794",
                f"{self._pushed} of {self.rounds} rounds pushed",
                hint="push every round before the end",
            )
        self._until(lambda: self._frames.through == self.rounds, timeout_s, "the last window")
        return self._frames.frame.copy()

    def wait_for(self, future: Future[Any], timeout_s: float) -> None:
        """Reads what the decoder sends until the future is done.

        Raises:
            RingError: CHIM798 when it is not in time, or the decoder has ended.
        """
        self._until(future.done, timeout_s, "a frame")

    def report(self) -> SessionReport:
        """What happened so far, with the overlap measured."""
        return self._timings.report(
            where=self._where,
            shots=self.shots,
            rounds=self._pushed,
            ring=self._link.counters(),
            restarts=self._link.restarts,
        )

    def close(self) -> None:
        """Ends the decoder and lets go of the rings; what is not decoded yet stays so."""
        self._link.close()
        self._frames.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        self.close()
        return False

    def _packed(self, bits: Bits) -> bytes:
        if self._pushed == self.rounds:
            raise DecodingError(
                "CHIM794", f"a round behind the last of {self.rounds}", hint="open a new session"
            )
        wanted = (self.shots, self._columns[self._pushed].size)
        found: Any = np.asarray(bits)
        if found.shape == wanted[1:] and self.shots == 1:
            found = found[None, :]
        if found.shape != wanted or found.dtype not in (np.uint8, np.bool_) or (found > 1).any():
            raise DecodingError(
                "CHIM794",
                f"round {self._pushed} of {found.dtype}{list(np.shape(bits))}, not 0 and 1 of"
                f" {list(wanted)}",
                hint="uint8 or bool, one column a detector of the round, in the order of their ids",
            )
        return bytes(np.packbits(found, bitorder="little"))

    def _until(self, done: Any, timeout_s: float, what: str) -> None:
        nap = Nap(timeout_s)
        while not done():
            self._link.decoder.step()
            self._collect()
            if done():
                return
            if not nap.again():
                raise RingError(
                    "CHIM798",
                    f"the decoder sent nothing for {timeout_s} s; waited for {what}",
                    hint="a frame needs the rounds of its window and buffer to be pushed",
                )

    def _collect(self) -> None:
        for update in self._link.received():
            self._frames.add(update, self._pushed)
            self._news.append(update)
            self._timings.decoded(update, time.monotonic_ns())
