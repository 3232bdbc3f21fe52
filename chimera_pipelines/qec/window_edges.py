"""What windows are cut from: the edges of a model, and the layer in which each detector lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import stim

from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.projection import check_detectable, symptoms

Ids = npt.NDArray[np.int64]
MAX_LAYERS: Final = 1 << 20
DIGITS: Final = 12
"""Of probabilities that tell windows apart: equal windows add equal ones in another order."""
_EDGE: Final = 2
_FAR: Final = 1 << 62  # layers are held as int64


@dataclass(frozen=True, slots=True)
class Edge:
    """An error as an edge of a matching graph.

    Attributes:
        ends: ids of its one or two detectors.
        flips: whether it flips the observable.
        chance: its probability, above 0 and below 1.
    """

    ends: tuple[int, ...]
    flips: bool
    chance: float


def edges(model: stim.DetectorErrorModel) -> list[Edge]:
    """The edges of a model of one observable.

    Raises:
        DetectorModelError: CHIM792 for an undetectable error.
        DecodingError: CHIM793 when errors are no edges, or there is not exactly one observable.
    """
    check_detectable(model)
    if model.num_observables != 1:
        raise DecodingError(
            "CHIM793",
            f"windows decode one observable, not {model.num_observables}",
            hint="decode observables one by one",
        )
    found = []
    for (detectors, observables), chance in symptoms(model).items():
        if len(detectors) > _EDGE:
            raise DecodingError(
                "CHIM793",
                f"error({chance:.6g}) flips {len(detectors)} detectors and is no edge",
                hint="project the undecomposed model on one basis",
            )
        if detectors and chance > 0:
            found.append(Edge(detectors, bool(observables), min(chance, 1 - 1e-12)))
    return found


@dataclass(frozen=True, slots=True)
class Cut:
    """The edges of one window, their detectors numbered as the window numbers them.

    Attributes:
        inside: ids of the window's detectors, ascending.
        carried: ids behind the commit region on which committed edges end, ascending.
        ends: int64[4, edges]: two places in `inside`, two in `carried`; -1 for none.
        flips: bool[edges], whether the edge is committed and flips the observable.
        chances: float64[edges].
        key: equal for equal windows.
    """

    inside: Ids
    carried: Ids
    ends: Ids
    flips: npt.NDArray[np.bool_]
    chances: npt.NDArray[np.float64]
    key: bytes


class EdgeTable:
    """Edges in the order of their first layer: those that begin in a window lie together.

    Args:
        found: the edges.
        times: int64[detectors], layer of each detector.
    """

    def __init__(self, found: Sequence[Edge], times: Ids) -> None:
        self._times = times
        near = np.array([edge.ends[0] for edge in found], np.int64)
        far = np.array([edge.ends[-1] for edge in found], np.int64)
        first = np.minimum(times[near], times[far])
        order = np.argsort(first, kind="stable")  # edges that meet are merged in their old order
        far[near == far] = -1
        self._first, self._both = first[order], np.stack([near, far])[:, order]
        self._flips = np.array([edge.flips for edge in found], np.bool_)[order]
        self._chances = np.array([edge.chance for edge in found], np.float64)[order]
        self._by_time = np.argsort(times, kind="stable")
        self._sorted = times[self._by_time]

    def cut(self, start: int, committed: int, end: int) -> Cut:
        """The window over layers `start` to `end`, committed up to `committed`, both exclusive.

        Edges that begin before `start` are left out: an earlier window has committed them.
        """
        low, high = np.searchsorted(self._sorted, [start, end])
        inside = np.sort(self._by_time[low:high])
        low, middle, high = np.searchsorted(self._first, [start, committed, end])
        both, own = self._both[:, low:high], self._both[:, low:middle]
        behind = own[(own >= 0) & (self._times[own] >= committed)]
        carried = np.unique(behind)
        reached = np.full_like(both, -1)
        reached[:, : middle - low] = _places(carried, own)
        flips = self._flips[low:high].copy()
        flips[middle - low :] = False
        ends = np.concatenate([np.sort(_places(inside, both), axis=0), np.sort(reached, axis=0)])
        chances = self._chances[low:high]
        rounded = np.rint(chances * 10**DIGITS).astype(np.int64)
        rows = np.concatenate([ends, flips[None, :].astype(np.int64), rounded[None, :]])
        sizes = np.array([len(inside), len(carried)], np.int64)
        key = sizes.tobytes() + np.ascontiguousarray(rows[:, np.lexsort(rows)]).tobytes()
        return Cut(inside, carried, ends, flips, chances, key)


def _places(ids: Ids, wanted: Ids) -> Ids:
    """Places of wanted ids in ascending ones, -1 for those that are not among them."""
    if not len(ids):
        return np.full_like(wanted, -1)
    found = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[found] == wanted, found, -1)


def check_sizes(commit: object, buffer: object) -> None:
    """Refuses windows that commit no whole number of layers, or look at none.

    Raises:
        DecodingError: CHIM793.
    """
    for size, least in ((commit, 1), (buffer, 0)):
        if not _whole(size) or not least <= size <= MAX_LAYERS:  # type: ignore[operator]
            raise DecodingError(
                "CHIM793",
                f"a window of {commit!r:.40} committed and {buffer!r:.40} buffered layers",
                hint=f"whole numbers to {MAX_LAYERS}; commit at least one layer",
            )


def layers(model: stim.DetectorErrorModel, times: Sequence[int] | None) -> Ids:
    """Layer of each detector: as given, or its last coordinate.

    Raises:
        DecodingError: CHIM793 when there are none, or they are no whole numbers close together.
    """
    found = _coordinates(model) if times is None else list(times)
    if len(found) != model.num_detectors or not found or not all(map(_whole, found)):
        raise DecodingError(
            "CHIM793",
            f"{len(found)} layers for {model.num_detectors} detectors, or some that are no numbers",
            hint="a whole number for each detector",
        )
    count = max(found) - min(found) + 1
    if count > MAX_LAYERS or max(map(abs, found)) > _FAR:
        raise DecodingError(
            "CHIM793", f"a memory of {count} layers", hint=f"at most {MAX_LAYERS}, near 0"
        )
    return np.array(found, np.int64)


def _coordinates(model: stim.DetectorErrorModel) -> list[int]:
    places = model.get_detector_coordinates()
    last = [places[d][-1:] for d in range(model.num_detectors)]
    if not last or not all(place and math.isfinite(place[0]) for place in last):
        raise DecodingError(
            "CHIM793",
            "detectors without coordinates: their layers are unknown",
            hint="give `times`, a layer for each detector",
        )
    return [round(place[0]) for place in last]


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
