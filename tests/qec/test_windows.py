"""Sliding windows against global decoding of the same shots."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import PyMatchingDecoder, decoder
from chimera_pipelines.qec.errors import DecodingError, DetectorModelError
from chimera_pipelines.qec.projection import one_basis, project, symptoms
from chimera_pipelines.qec.windows import SlidingWindow

FALSE_FAILURE = 1e-6
# Of the shots on which window and global decoding differ, the window may lose this share: what a
# buffer of the distance loses (0.1 to 0.4 per cent of the errors) hides within it.
LOST = 0.6


def memory(distance: int, rounds: int) -> stim.Circuit:
    return one_basis(memory_circuit(distance, rounds, noise="uniform", physical=0.005))


def discordant(circuit: stim.Circuit, commit: int, buffer: int, shots: int) -> tuple[int, int]:
    """Shots that only the window gets wrong, and shots that only global decoding does."""
    model = circuit.detector_error_model()
    sampler = circuit.compile_detector_sampler(seed=11)
    events, flips = sampler.sample(shots, separate_observables=True, bit_packed=True)
    whole = PyMatchingDecoder().compile_decoder_for_dem(dem=model)
    parts = decoder("window", commit=commit, buffer=buffer).compile_decoder_for_dem(dem=model)
    one = whole.decode_shots_bit_packed(bit_packed_detection_event_data=events) != flips
    other = parts.decode_shots_bit_packed(bit_packed_detection_event_data=events) != flips
    return int((other & ~one).sum()), int((one & ~other).sum())


@pytest.mark.parametrize(("commit", "buffer"), [(5, 5), (3, 5)])
def test_a_buffer_of_the_distance_loses_nothing_that_shows(commit: int, buffer: int) -> None:
    lost, won = discordant(memory(5, 40), commit, buffer, 20_000)
    found = binomtest(lost, max(1, lost + won), LOST, alternative="greater")
    assert found.pvalue > FALSE_FAILURE


def test_the_same_law_finds_windows_without_a_buffer() -> None:
    lost, won = discordant(memory(5, 40), 5, 0, 20_000)
    assert binomtest(lost, lost + won, LOST, alternative="greater").pvalue < FALSE_FAILURE


def test_one_window_over_everything_is_global_decoding() -> None:
    circuit = memory(3, 6)
    model = circuit.detector_error_model()
    events, _ = circuit.compile_detector_sampler(seed=2).sample(20_000, separate_observables=True)
    whole = SlidingWindow(model, commit=99, buffer=0)
    assert len(whole.windows) == 1
    compiled = PyMatchingDecoder().compile_decoder_for_dem(dem=model)
    packed = np.packbits(events, axis=1, bitorder="little")
    matched = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)[:, 0]
    ties = (whole.decode_batch(events) != matched).mean()
    assert ties < 0.002  # probabilities rounded to twelve digits may break a tie otherwise


def singles(model: stim.DetectorErrorModel) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    found = symptoms(model)
    events = np.zeros((len(found), model.num_detectors), np.uint8)
    flips = np.zeros(len(found), np.uint8)
    for row, (seen, flipped) in enumerate(found):
        events[row, list(seen)] = 1
        flips[row] = len(flipped)
    return events, flips


@given(st.integers(1, 6), st.integers(2, 6))
def test_every_single_error_is_corrected_wherever_windows_meet(commit: int, buffer: int) -> None:
    model = memory(3, 12).detector_error_model()
    events, flips = singles(model)
    found = SlidingWindow(model, commit=commit, buffer=buffer).decode_batch(events)
    np.testing.assert_array_equal(found, flips)


@given(st.integers(2, 5), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_gaps_between_layers_change_nothing(gap: int, commit: int) -> None:
    """Layers further apart, and windows as much longer, are the same windows bit by bit."""
    circuit = memory(3, 20)
    model = circuit.detector_error_model()
    events = circuit.compile_detector_sampler(seed=3).sample(2_000)
    near = SlidingWindow(model, commit=commit, buffer=4)
    times = [gap * int(time) for time in near.times]
    far = SlidingWindow(model, commit=gap * commit, buffer=gap * 4, times=times)
    np.testing.assert_array_equal(far.decode_batch(events), near.decode_batch(events))


def paired(model: stim.DetectorErrorModel, windows: SlidingWindow, shots: int) -> tuple[int, int]:
    """Shots that only the window gets wrong, and shots that only decoding the whole does."""
    events, flips, _ = model.compile_sampler(seed=9).sample(shots)
    one = SlidingWindow(model, commit=9999, buffer=0).decode_batch(events) != flips[:, 0]
    other = windows.decode_batch(events) != flips[:, 0]
    return int((other & ~one).sum()), int((one & ~other).sum())


@pytest.mark.parametrize("commit", [1, 3, 5])
def test_windows_that_end_in_a_gap_decode_like_the_whole(commit: int) -> None:
    model = memory(3, 30).detector_error_model()
    times = [2 * round(place[-1]) for place in model.get_detector_coordinates().values()]
    lost, won = paired(model, SlidingWindow(model, commit=commit, buffer=10, times=times), 20_000)
    assert binomtest(lost, max(1, lost + won), LOST, alternative="greater").pvalue > FALSE_FAILURE


def chain(layers: int, span: int) -> stim.DetectorErrorModel:
    """A repetition code of five bits with errors of checks, and hooks, that reach `span` layers."""
    model = stim.DetectorErrorModel()
    target, flip = stim.target_relative_detector_id, stim.target_logical_observable_id(0)
    for layer in range(layers):
        row = [target(4 * layer + check) for check in range(4)]
        model.append("error", 0.03, [row[0], flip])
        model.append("error", 0.03, [row[3]])
        for left, right in pairwise(row):
            model.append("error", 0.03, [left, right])
        for check, one in enumerate(row):
            for step, aside in ((1, 0), (span, 0), (span, 1)):
                if layer + step < layers and check + aside <= 3:
                    there = target(4 * (layer + step) + check + aside)
                    model.append("error", 0.01, [one, there])
            model.append("detector", [check, layer], [one])
    return model


@given(st.integers(1, 4), st.integers(1, 6), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_edges_over_several_layers_keep_their_defects(commit: int, buffer: int, span: int) -> None:
    model = chain(16, span)
    events, flips = singles(model)
    windows = SlidingWindow(model, commit=commit, buffer=buffer + span)
    np.testing.assert_array_equal(windows.decode_batch(events), flips)


@pytest.mark.parametrize("span", [2, 3])
def test_windows_over_edges_of_several_layers_decode_like_the_whole(span: int) -> None:
    model = chain(40, span)
    lost, won = paired(model, SlidingWindow(model, commit=4, buffer=6 * span), 20_000)
    assert binomtest(lost, max(1, lost + won), LOST, alternative="greater").pvalue > FALSE_FAILURE


def test_an_edge_longer_than_its_window_leaves_a_defect_too() -> None:
    text = "error(0.1) D0 D3 L0\nerror(0.01) D0\nerror(0.01) D3\nerror(0.01) D1 D2"
    text += "".join(f"\ndetector({number}) D{number}" for number in range(4))
    windows = SlidingWindow(stim.DetectorErrorModel(text), commit=1, buffer=1)
    np.testing.assert_array_equal(windows.windows[0].carried, [3])
    assert windows.decode_batch(np.array([[1, 0, 0, 1], [0, 0, 0, 0]], np.uint8)).tolist() == [1, 0]


@given(st.integers(1, 5), st.integers(0, 5), st.integers(1, 14))
@settings(max_examples=40, deadline=None)
def test_every_layer_is_committed_once(commit: int, buffer: int, rounds: int) -> None:
    model = memory(3, rounds).detector_error_model()
    windows = SlidingWindow(model, commit=commit, buffer=buffer)
    assert windows.graphs <= len(windows.windows)
    seen = np.unique(np.concatenate([window.detectors for window in windows.windows]))
    np.testing.assert_array_equal(seen, np.arange(model.num_detectors))
    assert len(windows.windows[-1].carried) == 0


def test_detectors_may_be_numbered_in_any_order() -> None:
    model = memory(3, 12).detector_error_model()
    events, flips = singles(model)
    order = np.random.default_rng(5).permutation(model.num_detectors)
    times = [round(model.get_detector_coordinates()[int(d)][-1]) for d in order]
    shuffled = project(model, [int(d) for d in order])
    windows = SlidingWindow(shuffled, commit=3, buffer=3, times=times)
    np.testing.assert_array_equal(windows.decode_batch(events[:, order]), flips)


def test_a_memory_has_three_different_windows() -> None:
    windows = SlidingWindow(memory(3, 60).detector_error_model(), commit=3, buffer=3)
    assert len(windows.windows) > 15
    assert windows.graphs == 3


def test_windows_are_made_in_time_that_grows_with_the_rounds() -> None:
    """Eight times the rounds take about eight times as long, not 64 times."""
    taken = []
    for rounds in (60, 480):
        model = memory(3, rounds).detector_error_model()
        began = time.process_time()
        SlidingWindow(model, commit=1, buffer=3)
        taken.append(time.process_time() - began)
    assert taken[1] < 24 * taken[0]


def test_a_window_may_use_another_decoder() -> None:
    circuit = one_basis(memory_circuit(3, 4, noise="uniform", physical=0.01))
    model = circuit.detector_error_model()
    events, flips = circuit.compile_detector_sampler(seed=4).sample(
        20_000, separate_observables=True
    )
    matched = SlidingWindow(model, commit=99, buffer=0).decode_batch(events) != flips[:, 0]
    for inner in ("pymatching", "table"):
        windows = SlidingWindow(model, commit=2, buffer=2, inner=decoder(inner))
        assert len(windows.windows) == 2
        wrong = windows.decode_batch(events) != flips[:, 0]
        # A buffer of less than the distance loses some; paired, these shots tell a tenth.
        assert wrong.sum() < 1.1 * matched.sum()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("error(0.1) D0 D1 D2 L0\ndetector(0) D0\ndetector(0) D1\ndetector(0) D2", "is no edge"),
        ("error(0.1) D0\ndetector(0) D0", "one observable, not 0"),
        ("error(0.1) D0 L0", "without coordinates"),
    ],
)
def test_models_that_windows_cannot_take_are_refused(text: str, said: str) -> None:
    with pytest.raises(DecodingError, match=said) as caught:
        SlidingWindow(stim.DetectorErrorModel(text), commit=1, buffer=1)
    assert caught.value.code == "CHIM793"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, 3.0, "3", True, None, math.nan, 10**400, []])
def test_sizes_that_are_no_whole_numbers_are_refused(wrong: Any) -> None:
    model = memory(3, 3).detector_error_model()
    for commit, buffer in ((wrong, 3), (3, wrong)):
        if buffer != 0:
            with pytest.raises(DecodingError, match="committed") as caught:
                SlidingWindow(model, commit=commit, buffer=buffer)
            assert caught.value.code == "CHIM793"


def test_blind_models_wrong_layers_and_wrong_shots_are_refused() -> None:
    blind = stim.DetectorErrorModel("error(0.1) L0\nerror(0.1) D0\ndetector(0) D0")
    with pytest.raises(DetectorModelError):
        SlidingWindow(blind, commit=1, buffer=1)
    model = memory(3, 3).detector_error_model()
    for times in ([0], [0.5] * model.num_detectors, [0, 2**40] * (model.num_detectors // 2)):
        with pytest.raises(DecodingError, match="layers") as caught:
            SlidingWindow(model, commit=1, buffer=1, times=times)  # type: ignore[arg-type]
        assert caught.value.code == "CHIM793"
    windows = SlidingWindow(model, commit=1, buffer=3)
    with pytest.raises(DecodingError) as caught:
        windows.decode_batch(np.zeros((5, 3), np.uint8))
    assert caught.value.code == "CHIM794"
