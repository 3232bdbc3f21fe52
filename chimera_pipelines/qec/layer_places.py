"""Where the detectors of a memory lie: their layers, and their places among a layer's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from chimera_pipelines.qec.window_edges import Ids

Index: TypeAlias = slice | Ids
"""Places in an array; a slice, which is no copy, where they lie side by side."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some detectors of one layer.

    Attributes:
        layer: counted from the memory's first.
        here: their places among the detectors of the layer.
        among: their places among the ids that were asked for.
    """

    layer: int
    here: Index
    among: Index


@dataclass(frozen=True, slots=True)
class Spans:
    """Ids taken apart by layer."""

    size: int
    parts: tuple[Span, ...]


class Places:
    """Layer of each detector, counted from the first, and its place among them.

    Attributes:
        columns: for each layer the ids of its detectors, ascending; layers may be empty.
    """

    def __init__(self, times: Ids) -> None:
        """See `Places`; `times` is the layer of each detector, from any number on."""
        order, self._layer = np.argsort(times, kind="stable"), times - times.min()
        count = int(self._layer.max()) + 1
        starts = np.searchsorted(self._layer[order], np.arange(count + 1))
        self.columns = [order[low:high] for low, high in pairwise(starts)]
        self._place = np.empty(len(times), np.int64)
        self._place[order] = np.arange(len(times)) - starts[self._layer[order]]

    def spans(self, ids: Ids) -> Spans:
        """Where ids lie."""
        layers = self._layer[ids]
        parts = []
        for layer in np.unique(layers):
            among = np.flatnonzero(layers == layer)
            parts.append(Span(int(layer), _index(self._place[ids[among]]), _index(among)))
        return Spans(len(ids), tuple(parts))


def _index(places: Ids) -> Index:
    first, count = int(places[0]), len(places)
    side_by_side = np.array_equal(places, np.arange(first, first + count))
    return slice(first, first + count) if side_by_side else places
