"""Bits of the few layers that windows still look at; those behind are let go."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from chimera_pipelines.qec.window_edges import Ids

Bits = npt.NDArray[np.uint8]


class Places:
    """Where each detector lies: its layer, counted from the first, and its place among them.

    Attributes:
        columns: for each layer the ids of its detectors, ascending; layers may be empty.
        layer: int64[detectors].
        place: int64[detectors].
    """

    def __init__(self, times: Ids) -> None:
        """See `Places`; `times` is the layer of each detector, from any number on."""
        order, self.layer = np.argsort(times, kind="stable"), times - times.min()
        count = int(self.layer.max()) + 1
        starts = np.searchsorted(self.layer[order], np.arange(count + 1))
        self.columns = [order[low:high] for low, high in pairwise(starts)]
        self.place = np.empty(len(times), np.int64)
        self.place[order] = np.arange(len(times)) - starts[self.layer[order]]


class Layers:
    """Bits of layers, for each observable and shot. A layer that nobody has touched is 0."""

    def __init__(self, places: Places, *, shots: int, observables: int) -> None:
        """See `Layers`."""
        self._places, self._shots, self._observables = places, shots, observables
        self._held = dict[int, Bits]()

    def __len__(self) -> int:
        return len(self._held)

    def copy(self) -> Layers:
        """The same bits, to be changed apart."""
        found = Layers(self._places, shots=self._shots, observables=self._observables)
        found._held = {layer: bits.copy() for layer, bits in self._held.items()}
        return found

    def add(self, layer: int, bits: Bits) -> None:
        """Flips bits uint8[shots, detectors of the layer], for every observable."""
        self._of(layer)[:] ^= bits

    def carry(self, observable: int, ids: Ids, defects: Bits) -> None:
        """Flips defects uint8[shots, ids], wherever their layers are."""
        layers = self._places.layer[ids]
        for layer in np.unique(layers):
            here = layers == layer
            self._of(int(layer))[observable][:, self._places.place[ids[here]]] ^= defects[:, here]

    def take(self, observable: int, ids: Ids) -> Bits:
        """uint8[shots, ids]: bits of whole layers whose detectors are `ids`, ascending."""
        found = np.zeros((self._shots, len(ids)), np.uint8)
        for layer in np.unique(self._places.layer[ids]):
            bits = self._held.get(int(layer))
            if bits is not None:
                found[:, np.searchsorted(ids, self._places.columns[layer])] = bits[observable]
        return found

    def drop(self, below: int) -> None:
        """Lets go of the layers in front of one."""
        for layer in [layer for layer in self._held if layer < below]:
            del self._held[layer]

    def _of(self, layer: int) -> npt.NDArray[Any]:
        if layer not in self._held:
            size = self._places.columns[layer].size
            self._held[layer] = np.zeros((self._observables, self._shots, size), np.uint8)
        return self._held[layer]
