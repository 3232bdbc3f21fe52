from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.qec.layer_places import Places
from chimera_pipelines.qec.session_layers import Layers

TIMES = st.lists(st.integers(-3, 6), min_size=1, max_size=40)


@given(TIMES, st.data())
def test_bits_by_layer_are_the_bits_by_id(times, data):
    found = np.array(times)
    places, first = Places(found), found.min()
    assert len(places.columns) == found.max() - first + 1
    ids = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(times)))))), np.int64)
    spans = places.spans(ids)
    assert spans.size == len(ids)
    assert [span.layer for span in spans.parts] == sorted(set(found[ids] - first))

    whole = np.zeros((2, len(times)), np.uint8)
    layers = Layers(places, shots=2, observables=1)
    for layer, columns in enumerate(places.columns):
        bits = np.array(data.draw(st.lists(st.integers(0, 1), min_size=2, max_size=2)), np.uint8)
        whole[:, columns] ^= bits[:, None]
        layers.add(layer, np.repeat(bits[:, None], columns.size, axis=1))
    flips = np.arange(2 * len(ids), dtype=np.uint8).reshape(2, -1) % 3 % 2
    whole[:, ids] ^= flips
    layers.carry(0, spans, flips)
    assert np.array_equal(layers.take(0, spans), whole[:, ids])
    everything = places.spans(np.arange(len(times)))
    assert np.array_equal(layers.take(0, everything), whole)
    layers.drop(len(places.columns))
    assert not layers.take(0, everything).any()


def test_detectors_side_by_side_are_slices():
    (first, second) = Places(np.array([0, 0, 0, 1, 1])).spans(np.arange(5)).parts
    assert (first.here, first.among) == (slice(0, 3), slice(0, 3))
    assert (second.here, second.among) == (slice(0, 2), slice(3, 5))
