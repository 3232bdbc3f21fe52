"""The pre-decoder: its grid against the model, training, files, and that it costs no accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import stim
import torch
from scipy.stats import binomtest

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import PyMatchingDecoder
from chimera_pipelines.qec.errors import DecodingError, DetectorModelError
from chimera_pipelines.qec.predecoder import PreDecoder
from chimera_pipelines.qec.predecoder_grid import EdgeGrid, PredecoderError
from chimera_pipelines.qec.predecoder_network import PredecoderWeights, train
from chimera_pipelines.qec.projection import one_basis, symptoms

FALSE_FAILURE = 1e-6
CIRCUIT = one_basis(memory_circuit(3, 3, noise="uniform", physical=0.01))
MODEL = CIRCUIT.detector_error_model()
SIZE = {"batch": 64, "width": 12, "depth": 2, "rate": 2e-2}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take longer than these small convolutions."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights() -> PredecoderWeights:
    return train(MODEL, steps=250, seed=3, **SIZE)  # type: ignore[arg-type]


def shots(circuit: stim.Circuit, count: int) -> tuple[np.ndarray, np.ndarray]:
    return circuit.compile_detector_sampler(seed=8).sample(
        count, separate_observables=True, bit_packed=True
    )


def wrong(decoder: object, circuit: stim.Circuit, count: int) -> np.ndarray:
    events, flips = shots(circuit, count)
    compiled = decoder.compile_decoder_for_dem(dem=circuit.detector_error_model())  # type: ignore[attr-defined]
    guess = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)
    return np.asarray((guess != flips).any(axis=1))


@pytest.mark.parametrize("distance", [3, 5])
def test_the_grid_holds_every_edge_once(distance: int) -> None:
    circuit = one_basis(memory_circuit(distance, 4, noise="sd6", physical=0.003))
    model = circuit.detector_error_model()
    grid = EdgeGrid.of(model)
    assert {(k, round(p, 12)) for k, p in symptoms(grid.model).items()} == {
        (k, round(p, 12)) for k, p in symptoms(model).items()
    }
    assert len(set(zip(grid.anchors.tolist(), grid.kind_of.tolist(), strict=True))) == len(
        grid.ends
    )
    assert len(set(grid.sites.tolist())) == model.num_detectors
    place = np.array(np.unravel_index(grid.sites, grid.shape)).T
    for anchor, kind, (one, other) in zip(grid.anchors, grid.kind_of, grid.ends, strict=True):
        if other == model.num_detectors:
            assert grid.sites[one] == anchor
            continue
        steps = grid.kinds[kind][:3]
        first, second = (one, other) if grid.sites[one] == anchor else (other, one)
        assert tuple(place[second] - place[first]) == steps


def test_kinds_of_a_large_code_are_those_of_a_small_one() -> None:
    large = one_basis(memory_circuit(7, 7, noise="uniform", physical=0.01)).detector_error_model()
    assert EdgeGrid.of(large).kinds == EdgeGrid.of(MODEL).kinds


def test_training_is_the_same_under_one_seed(weights: PredecoderWeights) -> None:
    one, two, other = (
        train(MODEL, steps=12, seed=seed, **SIZE)  # type: ignore[arg-type]
        for seed in (5, 5, 6)
    )
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)
    assert one.losses == two.losses
    assert weights.losses[-1] < 0.6 * weights.losses[0]
    assert not all(torch.equal(one.state[name], other.state[name]) for name in one.state)


def test_defects_fall_and_the_logical_rate_does_not_rise(weights: PredecoderWeights) -> None:
    """Paired with matching alone: of the shots on which they differ, the pre-decoder loses no more
    than chance, P < 1e-6."""
    compiled = PreDecoder(weights=weights).compile_decoder_for_dem(dem=MODEL)
    events, flips = shots(CIRCUIT, 20_000)
    guess = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)
    ours = (guess != flips).any(axis=1)
    theirs = wrong(PyMatchingDecoder(), CIRCUIT, 20_000)
    lost, won = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    if lost + won:
        assert binomtest(lost, lost + won, 0.6, alternative="greater").pvalue > FALSE_FAILURE
    assert compiled.defects_left < 0.95 * compiled.defects_in
    assert compiled.defects_in == int(np.unpackbits(events).sum())


def test_what_is_taken_out_is_made_up_for(weights: PredecoderWeights) -> None:
    """Whatever the network says, edges taken out and matching of the rest explain the syndrome:
    a decoder that answers nothing shows the flips of the taken edges alone."""
    compiled = PreDecoder(weights=weights, threshold=0.5).compile_decoder_for_dem(dem=MODEL)
    events, _, errors = (
        EdgeGrid.of(MODEL).model.compile_sampler(seed=2).sample(400, return_errors=True)
    )
    bits = torch.from_numpy(events.astype(np.uint8))
    left, flips = compiled.take_out(bits)
    grid = EdgeGrid.of(MODEL)
    logits = compiled._view.of_edges(compiled._network(compiled._view(bits)))
    sure = (torch.sigmoid(logits) > 0.5).numpy().astype(int)
    expected = np.zeros((400, MODEL.num_detectors + 1), int)
    for edge, ends in enumerate(grid.ends):
        for end in ends:
            expected[:, end] += sure[:, edge]
    np.testing.assert_array_equal(left.numpy(), (events ^ (expected[:, :-1] % 2)) & 1)
    np.testing.assert_array_equal(flips.numpy(), sure @ grid.flips % 2)
    assert (sure == errors).mean() > 0.9


def test_a_threshold_of_one_changes_nothing(weights: PredecoderWeights) -> None:
    np.testing.assert_array_equal(
        wrong(PreDecoder(weights=weights, threshold=1), CIRCUIT, 3000),
        wrong(PyMatchingDecoder(), CIRCUIT, 3000),
    )


def test_weights_of_a_small_code_serve_a_larger_one(weights: PredecoderWeights) -> None:
    circuit = one_basis(memory_circuit(5, 5, noise="uniform", physical=0.01))
    ours = wrong(PreDecoder(weights=weights, inner="pymatching"), circuit, 3000)
    theirs = wrong(PyMatchingDecoder(), circuit, 3000)
    spread = math.sqrt(max(1, int((ours ^ theirs).sum())))
    assert int(ours.sum()) - int(theirs.sum()) < 5 * spread + 10


def test_weights_travel(weights: PredecoderWeights, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path)
    back = PredecoderWeights.load(path)
    assert back.kinds == weights.kinds
    assert back.losses == weights.losses
    assert all(torch.equal(back.state[name], weights.state[name]) for name in weights.state)
    np.testing.assert_array_equal(
        wrong(PreDecoder(weights=path), CIRCUIT, 500),
        wrong(PreDecoder(weights=weights), CIRCUIT, 500),
    )


def test_files_that_are_no_weights(weights: PredecoderWeights, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(PredecoderError) as caught:
        PredecoderWeights.load(path)
    assert caught.value.code == "CHIM799"
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(PredecoderError):
        PreDecoder(weights=path)
    PredecoderWeights(weights.kinds, 9, 2, weights.state).save(path)
    with pytest.raises(PredecoderError):
        PredecoderWeights.load(path)
    PredecoderWeights(weights.kinds, 10**9, 2, weights.state).save(path)
    with pytest.raises(PredecoderError, match="1000000000 channels"):
        PredecoderWeights.load(path)
    with pytest.raises(PredecoderError, match="nowhere"):
        weights.save(tmp_path / "nowhere" / "w")


def test_models_that_do_not_fit(weights: PredecoderWeights) -> None:
    decoder = PreDecoder(weights=weights)
    other = one_basis(memory_circuit(3, 3, noise="sd6", physical=0.01)).detector_error_model()
    if set(EdgeGrid.of(other).kinds) - set(weights.kinds):
        with pytest.raises(PredecoderError, match="does not know"):
            decoder.compile_decoder_for_dem(dem=other)
    for text, error in (
        ("error(0.1) D0 L0", PredecoderError),
        ("error(0.1) D0 D1 D2\ndetector(0) D0\ndetector(1) D1\ndetector(2) D2", PredecoderError),
        ("error(0.1) D0 D1\ndetector(0) D0\ndetector(0) D1", PredecoderError),
        ("error(0.1) L0\ndetector(0) D0", DetectorModelError),
    ):
        with pytest.raises(error):
            decoder.compile_decoder_for_dem(dem=stim.DetectorErrorModel(text))
    with pytest.raises(PredecoderError, match="threshold"):
        PreDecoder(weights=weights, threshold=0.3)
    with pytest.raises(DecodingError):
        PreDecoder(weights=weights, inner="none")
    with pytest.raises(PredecoderError, match="0 steps"):
        train(MODEL, steps=0)
