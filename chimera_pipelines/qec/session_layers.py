"""Bits of the few layers that windows still look at; those behind are let go."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chimera_pipelines.qec.layer_places import Places, Spans

Bits = npt.NDArray[np.uint8]


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

    def carry(self, observable: int, spans: Spans, defects: Bits) -> None:
        """Flips defects uint8[shots, ids], wherever their layers are."""
        for span in spans.parts:
            self._of(span.layer)[observable][:, span.here] ^= defects[:, span.among]

    def take(self, observable: int, spans: Spans) -> Bits:
        """uint8[shots, ids]: the bits of ids."""
        found = np.zeros((self._shots, spans.size), np.uint8)
        for span in spans.parts:
            bits = self._held.get(span.layer)
            if bits is not None:
                found[:, span.among] = bits[observable][:, span.here]
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
