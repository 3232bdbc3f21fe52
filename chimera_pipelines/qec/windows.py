"""Sliding windows: decode a long memory while it runs, a few layers at a time.

A window covers `commit` layers whose corrections become final and `buffer` layers behind them that
only lend their view. Edges with an end in the commit region are committed: their observable flips
add up, and where they reach behind it, however far, they leave an artificial defect there. A window
is a detector error model of its own, whose observables are the true one and these defects, so any
decoder can decode it. Edges that leave a window through its open end are edges to
the boundary. A memory has three different windows: the first, those in the middle, the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import sinter
import stim

from chimera_pipelines.qec.decoders import Packed, PyMatchingDecoder, decoder, packed_shots
from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.layer_places import Places, Spans
from chimera_pipelines.qec.projection import either
from chimera_pipelines.qec.window_edges import (
    DIGITS,
    Cut,
    EdgeTable,
    Ids,
    check_sizes,
    edges,
    layers,
)

_EDGE: Final = 2


class WindowDecoder(sinter.Decoder):  # type: ignore[misc]
    """Decoding in sliding windows over the detectors' last coordinate.

    Args:
        commit: layers that become final with each window.
        buffer: layers behind them; the distance loses nothing, half of it 2 to 5 per cent.
        inner: name of the decoder of a window.
    """

    def __init__(self, *, commit: int, buffer: int, inner: str = "pymatching") -> None:
        self.commit = commit
        self.buffer = buffer
        self.inner = decoder(inner)

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledWindows:
        """Windows for the model.

        Raises:
            DetectorModelError: CHIM792 for an undetectable error.
            DecodingError: CHIM793 when errors are no edges, or detectors have no time.
        """
        found = SlidingWindow(dem, commit=self.commit, buffer=self.buffer, inner=self.inner)
        return CompiledWindows(found)


class CompiledWindows(sinter.CompiledDecoder):  # type: ignore[misc]
    """Windows for one model."""

    def __init__(self, windows: SlidingWindow) -> None:
        self.windows = windows

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: Packed) -> Packed:
        """Predicted flips of the one observable, uint8[shots, 1].

        Raises:
            DecodingError: CHIM794 unless the data are uint8[shots, ceil(detectors / 8)].
        """
        count = len(self.windows.times)
        shots = packed_shots(bit_packed_detection_event_data, count)
        bits = np.unpackbits(shots, axis=1, count=count, bitorder="little")
        return self.windows.decode_batch(bits)[:, None]


@dataclass(frozen=True, slots=True)
class Window:
    """One window.

    Attributes:
        detectors: ids that it looks at.
        carried: ids behind the commit region on which committed edges end; they get its artificial
            defects.
        compiled: `sinter.CompiledDecoder`; it predicts the observable, then those of `carried`.
    """

    detectors: Ids
    carried: Ids
    compiled: Any

    def decode(self, bits: npt.NDArray[np.uint8]) -> tuple[Packed, Packed]:
        """What becomes final: uint8[shots] observable flips, uint8[shots, carried] defects.

        Args:
            bits: uint8[shots, detectors], artificial defects of the window before included.
        """
        packed = np.packbits(bits, axis=1, bitorder="little")
        found = self.compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)
        flips = np.unpackbits(found, axis=1, count=1 + len(self.carried), bitorder="little")
        return flips[:, 0], flips[:, 1:]


class SlidingWindow:
    """All windows over a model of one basis and one observable.

    Args:
        model: graph of one basis (`projection.project`, `one_basis`).
        commit: layers that become final with each window, at least 1; empty ones count.
        buffer: layers behind them.
        times: layer of each detector; None: its last coordinate.
        inner: `sinter.Decoder` of the windows; None: matching.

    Raises:
        DetectorModelError: CHIM792 for an undetectable error.
        DecodingError: CHIM793 when errors are no edges, there is not exactly one observable, or
            layers or sizes are none.
    """

    def __init__(
        self,
        model: stim.DetectorErrorModel,
        *,
        commit: int,
        buffer: int,
        times: Sequence[int] | None = None,
        inner: Any = None,
    ) -> None:
        check_sizes(commit, buffer)
        self.times = layers(model, times)
        self.commit, self.buffer = commit, buffer
        self._edges = EdgeTable(edges(model), self.times)
        self._inner = PyMatchingDecoder() if inner is None else inner
        self._graphs: dict[str, Any] = {}
        self._spans: dict[int, tuple[Spans, Spans]] = {}
        self.windows = tuple(self._build())

    @property
    def graphs(self) -> int:
        """How many different windows there are."""
        return len(self._graphs)

    @cached_property
    def places(self) -> Places:
        """Where the detectors lie."""
        return Places(self.times)

    def spans(self, number: int) -> tuple[Spans, Spans]:
        """Where the detectors and the carried ones of a window lie; kept for later sessions."""
        if number not in self._spans:
            window = self.windows[number]
            found = self.places.spans(window.detectors), self.places.spans(window.carried)
            self._spans[number] = found
        return self._spans[number]

    def decode_batch(self, bits: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> Packed:
        """Observable flips uint8[shots] of shots uint8 or bool[shots, detectors].

        Raises:
            DecodingError: CHIM794 when a shot has another number of detectors.
        """
        if bits.ndim != _EDGE or bits.shape[1] != len(self.times):
            raise DecodingError(
                "CHIM794",
                f"shots of shape {list(bits.shape)}, not [shots, {len(self.times)}]",
                hint="one column a detector",
            )
        left = bits.astype(np.uint8)
        flips = np.zeros(len(left), np.uint8)
        for window in self.windows:
            flipped, defects = window.decode(left[:, _columns(window.detectors)])
            flips ^= flipped
            left[:, _columns(window.carried)] ^= defects
        return flips

    def _build(self) -> Iterator[Window]:
        start, last = int(self.times.min()), int(self.times.max())
        known: dict[bytes, Any] = {}
        while True:
            final = start + self.commit + self.buffer > last
            end = last + 1 if final else start + self.commit + self.buffer
            committed = last + 1 if final else start + self.commit
            cut = self._edges.cut(start, committed, end)
            if cut.key not in known:  # most windows are equal: seen before one is written out
                known[cut.key] = self._compiled(_written(cut))
            yield Window(cut.inside, cut.carried, known[cut.key])
            if final:
                return
            start = committed

    def _compiled(self, model: stim.DetectorErrorModel) -> Any:
        key = str(model)
        if key not in self._graphs:
            self._graphs[key] = self._inner.compile_decoder_for_dem(dem=model)
        return self._graphs[key]


def _written(cut: Cut) -> stim.DetectorErrorModel:
    model = stim.DetectorErrorModel()
    for ends, (chance, fault) in sorted(_merged(cut).items(), key=lambda edge: edge[0]):
        targets = [
            *map(stim.target_relative_detector_id, ends),
            *map(stim.target_logical_observable_id, sorted(fault)),
        ]
        model.append("error", round(chance, DIGITS), targets)
    for number in range(len(cut.inside)):
        model.append("detector", [], [stim.target_relative_detector_id(number)])
    for number in range(1 + len(cut.carried)):
        model.append("logical_observable", [], [stim.target_logical_observable_id(number)])
    return model


def _merged(cut: Cut) -> dict[tuple[int, ...], tuple[float, frozenset[int]]]:
    """Probability and observables of each pair of ends; of edges that differ the likeliest."""
    found: dict[tuple[int, ...], tuple[float, frozenset[int]]] = {}
    for row, flips, chance in zip(cut.ends.T, cut.flips, cut.chances, strict=True):
        ends = tuple(sorted(int(end) for end in row[:2] if end >= 0))
        fault = frozenset(int(end) + 1 for end in row[2:] if end >= 0)
        fault |= {0} if flips else frozenset()
        before, known = found.get(ends, (0.0, fault))
        if known == fault:
            found[ends] = either(before, float(chance)), fault
        elif chance > before:
            found[ends] = float(chance), fault
    return found


def _columns(ids: Ids) -> slice | Ids:
    """Ids in a row as a slice: a view, where an array of ids would be a copy."""
    if len(ids) and int(ids[-1]) - int(ids[0]) == len(ids) - 1:
        return slice(int(ids[0]), int(ids[-1]) + 1)
    return ids
