"""Frames that a session has been told, and those it is still asked for.

Frames are kept for the rounds of the last few windows. So a session of any length has fixed memory,
and which rounds may be asked for depends on what was pushed alone, not on who was faster.
"""

from __future__ import annotations

from bisect import bisect_right
from concurrent.futures import Future
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.session_report import FrameUpdate
from chimera_pipelines.qec.session_windows import WindowFeed

KEPT_WINDOWS: Final = 4
"""Rounds may be asked for until they lie so many windows (commit and buffer) behind the head."""
Frame = npt.NDArray[np.uint8]


class Frames:
    """The Pauli frame behind each window that may still be asked for.

    Attributes:
        through: rounds whose corrections are final.
        frame: uint8[shots, observables], behind them.
    """

    def __init__(self, feed: WindowFeed) -> None:
        """See `Frames`."""
        self._ends, self._observables = feed.ends, feed.observables
        self._kept = KEPT_WINDOWS * feed.reach
        self.frame: Frame = np.zeros((feed.shots, feed.observables), np.uint8)
        self.through = 0
        self._frames = dict[int, Frame]()
        self._waiting = list[tuple[int, int, Future[Frame]]]()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, update: FrameUpdate, pushed: int) -> None:
        """Takes what has become final, when so many rounds are pushed."""
        self.frame = self.frame ^ update.flips
        self.through = update.through
        self._frames[update.through] = self.frame
        left = []
        for one in self._waiting:
            observable, end, future = one
            if end <= self.through:
                future.set_result(self._frames[end][:, observable].copy())
            else:
                left.append(one)
        self._waiting = left
        for end in [end for end in self._frames if end <= pushed - self._kept]:
            del self._frames[end]

    def ask(self, observable: Any, number: Any, pushed: int, future: Future[Frame]) -> None:
        """Lets a future wait for a round's frame, or gives it.

        Raises:
            DecodingError: CHIM794 for an observable or a round that the memory has not, or a round
                that is too old.
        """
        first, rounds = max(0, pushed - self._kept), self._ends[-1]
        whole = all(isinstance(one, int | np.integer) for one in (observable, number))
        if not whole or not 0 <= observable < self._observables or not first <= number < rounds:
            raise DecodingError(
                "CHIM794",
                f"no frame of observable {observable!r:.40} at round {number!r:.40}",
                hint=f"{self._observables} observables, from 0; rounds {first} to {rounds - 1}:"
                f" frames are kept for {self._kept} rounds",
            )
        end = self._ends[bisect_right(self._ends, number)]
        if end <= self.through:
            future.set_result(self._frames[end][:, observable].copy())
        else:
            self._waiting.append((observable, end, future))

    def cancel(self) -> None:
        """Gives up what is waited for."""
        for _, _, future in self._waiting:
            future.cancel()
