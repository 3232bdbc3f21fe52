"""The decoder's state in a session: rounds in, frame updates out, without processes.

A window is decoded as soon as the last of its rounds is there. It is the loop of
`SlidingWindow.decode_batch` cut where rounds arrive, so both give the same corrections.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import stim

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.layer_places import Spans
from chimera_pipelines.qec.projection import check_detectable
from chimera_pipelines.qec.session_layers import Layers
from chimera_pipelines.qec.session_report import FrameUpdate, update_bytes
from chimera_pipelines.qec.windows import SlidingWindow


class WindowFeed:
    """Windows over a memory whose rounds come one by one.

    Args:
        windows: windows of one observable, or of several over the same detectors.
        shots: memories side by side.

    Attributes:
        rounds: layers of the memory, empty ones included.
        shots: memories side by side.
        reach: rounds that a window looks at.
        observables: how many.
        columns: for each round the ids of its detectors, ascending.
        ends: for each window the round up to which it makes corrections final, exclusive.
        update_bytes: bytes of an update as it travels.

    Raises:
        DecodingError: CHIM793 for windows that do not belong together; CHIM794 for no shots.
    """

    def __init__(self, windows: SlidingWindow | Sequence[SlidingWindow], *, shots: int) -> None:
        self._all = (windows,) if isinstance(windows, SlidingWindow) else tuple(windows)
        if shots < 1:
            raise DecodingError("CHIM794", f"{shots!r} shots", hint="at least one")
        _check_alike(self._all)
        first = self._all[0]
        places = first.places
        self.columns, self.shots, self.observables = places.columns, shots, len(self._all)
        self.rounds = len(self.columns)
        count, self.reach = len(first.windows), first.commit + first.buffer
        self.ends = [first.commit * (n + 1) for n in range(count - 1)] + [self.rounds]
        self._needed = [min(first.commit * n + self.reach, self.rounds) for n in range(count)]
        self._needed[-1] = self.rounds
        most = max(
            sum(windows.windows[number].carried.size for windows in self._all)
            for number in range(count)
        )
        self.update_bytes = update_bytes(shots, self.observables, most)
        self._begin(0, Layers(places, shots=shots, observables=self.observables))

    def carried(self, number: int) -> list[Spans]:
        """For each observable where the ids lie to which a window carries defects."""
        return [windows.spans(number)[1] for windows in self._all]

    def nothing_seen(self) -> Layers:
        """The memory's layers, before any bit."""
        return self._layers.copy()

    def after(self, window: int, defects: Layers) -> WindowFeed:
        """Windows from one on, over rounds from its first; the ones before have left defects."""
        found = copy(self)
        found._begin(window, defects.copy())  # noqa: SLF001 - of its own class
        return found

    def add(self, packed: bytes) -> Iterator[FrameUpdate]:
        """Takes the next round, packed as the session sends it; gives what becomes final."""
        columns = self.columns[self._seen]
        raw = np.frombuffer(packed, np.uint8)
        bits = np.unpackbits(raw, count=self.shots * columns.size, bitorder="little")
        self._layers.add(self._seen, bits.reshape(self.shots, columns.size))
        self._seen += 1
        while self._window < len(self.ends) and self._needed[self._window] <= self._seen:
            yield self._decode(self._window)
            self._window += 1

    @property
    def complete(self) -> bool:
        """Whether the last window is decoded."""
        return self._window == len(self.ends)

    @property
    def held(self) -> int:
        """Layers in memory: a window's, and those further on that have an artificial defect."""
        return len(self._layers)

    def _begin(self, window: int, layers: Layers) -> None:
        self._window, self._layers = window, layers
        self._seen = self.ends[window - 1] if window else 0

    def _decode(self, number: int) -> FrameUpdate:
        began, cpu = time.monotonic_ns(), time.thread_time_ns()
        flips, left = np.zeros((self.shots, self.observables), np.uint8), []
        for observable, windows in enumerate(self._all):
            inside, carried = windows.spans(number)
            seen = self._layers.take(observable, inside)
            flips[:, observable], defects = windows.windows[number].decode(seen)
            self._layers.carry(observable, carried, defects)
            left.append(defects)
        self._layers.drop(self.ends[number])
        return FrameUpdate(
            window=number,
            through=self.ends[number],
            flips=flips,
            began_ns=began,
            ended_ns=time.monotonic_ns(),
            cpu_ns=time.thread_time_ns() - cpu,
            defects=np.concatenate(left, axis=1),
        )


def windows_of(
    model: stim.DetectorErrorModel,
    *,
    commit: int,
    buffer: int,
    times: Sequence[int] | None = None,
    inner: Any = None,
) -> list[SlidingWindow]:
    """For each observable of a model of one basis windows that decode it alone.

    Raises:
        DetectorModelError: CHIM792, DecodingError: CHIM793, as `SlidingWindow`.
    """
    check_detectable(model)
    return [
        SlidingWindow(
            only(model, observable), commit=commit, buffer=buffer, times=times, inner=inner
        )
        for observable in range(max(1, model.num_observables))
    ]


def only(model: stim.DetectorErrorModel, observable: int) -> stim.DetectorErrorModel:
    """The model with one observable, which becomes L0."""
    if model.num_observables == 1 and observable == 0:
        return model
    out = stim.DetectorErrorModel()
    for one in model.flattened():
        if one.type == "logical_observable":
            continue
        targets = []
        for target in one.targets_copy():
            if isinstance(target, stim.DemTarget) and target.is_logical_observable_id():
                if target.val != observable:
                    continue
                target = stim.target_logical_observable_id(0)  # noqa: PLW2901
            targets.append(target)
        if targets:
            out.append(one.type, one.args_copy(), targets)
    out.append("logical_observable", [], [stim.target_logical_observable_id(0)])
    return out


def _check_alike(windows: Sequence[SlidingWindow]) -> None:
    shapes = {(one.times.tobytes(), one.commit, one.buffer) for one in windows}
    if len(shapes) != 1:
        raise DecodingError(
            "CHIM793",
            f"{len(windows)} sets of windows over {len(shapes)} different memories",
            hint="one SlidingWindow an observable, with equal times, commit and buffer",
        )


def as_rounds(feed: WindowFeed, bits: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Shots [shots, detectors] taken apart into the rounds that a session is pushed."""
    for columns in feed.columns:
        yield bits[:, columns]
