"""Decoders by name: within sinter, against PyMatching itself, and what they refuse."""

from __future__ import annotations

import numpy as np
import pymatching
import pytest
import sinter
import stim

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import DECODERS, PyMatchingDecoder, decoder
from chimera_pipelines.qec.errors import DecodingError, DetectorModelError
from chimera_pipelines.qec.predecoder_network import train
from chimera_pipelines.qec.projection import one_basis


def test_sinter_takes_every_registered_decoder() -> None:
    circuit = one_basis(memory_circuit(3, 3, noise="uniform", physical=0.01))
    weights = train(circuit.detector_error_model(), steps=1, batch=8, width=4, depth=1)
    options = {"window": {"commit": 3, "buffer": 3}, "predecoder": {"weights": weights}}
    made = {f"our_{name}": decoder(name, **options.get(name, {})) for name in DECODERS}
    for name, one in made.items():
        task = sinter.Task(circuit=circuit, detector_error_model=circuit.detector_error_model())
        compiled = one.compile_decoder_for_dem(dem=task.detector_error_model)
        assert isinstance(one, sinter.Decoder), name
        assert isinstance(compiled, sinter.CompiledDecoder), name


def test_sinter_collects_with_ours_what_it_collects_with_its_own() -> None:
    circuit = one_basis(memory_circuit(3, 3, noise="uniform", physical=0.02))
    task = sinter.Task(circuit=circuit, detector_error_model=circuit.detector_error_model())
    (found,) = sinter.collect(
        num_workers=1,
        tasks=[task],
        decoders=["ours"],
        custom_decoders={"ours": PyMatchingDecoder()},
        max_shots=2000,
    )
    assert found.decoder == "ours"
    assert found.shots >= 2000
    assert 0 < found.errors < found.shots / 2


@pytest.mark.parametrize("correlations", [False, True])
def test_predictions_are_pymatchings(correlations: bool) -> None:
    circuit = memory_circuit(5, 3, noise="sd6", physical=0.005)
    model = circuit.detector_error_model(decompose_errors=True)
    events, _ = circuit.compile_detector_sampler(seed=3).sample(2000, separate_observables=True)
    direct = pymatching.Matching.from_detector_error_model(model, enable_correlations=correlations)
    theirs = direct.decode_batch(events.astype(np.uint8), enable_correlations=correlations)
    compiled = PyMatchingDecoder(correlations=correlations).compile_decoder_for_dem(dem=model)
    packed = np.packbits(events, axis=1, bitorder="little")
    ours = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)
    np.testing.assert_array_equal(ours, theirs)


def test_every_single_error_is_corrected() -> None:
    circuit = one_basis(memory_circuit(5, 5, noise="uniform", physical=0.001))
    model = circuit.detector_error_model()
    compiled = decoder("pymatching").compile_decoder_for_dem(dem=model)
    for one in model.flattened():
        if one.type == "error":
            events, flips = np.zeros(model.num_detectors, np.uint8), 0
            for target in one.targets_copy():
                if target.is_relative_detector_id():
                    events[target.val] ^= 1
                else:
                    flips ^= 1
            packed = np.packbits(events, bitorder="little")[None]
            found = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)
            assert found[0, 0] == flips


def test_what_pymatching_leaves_out_silently_is_refused() -> None:
    text = "error(0.1) D0\nerror(0.1) D0 D1 D2 L0"
    model = stim.DetectorErrorModel(text)
    assert len(pymatching.Matching.from_detector_error_model(model).edges()) == 1  # the trap
    with pytest.raises(DecodingError, match="is no edge of a matching graph") as caught:
        decoder("pymatching").compile_decoder_for_dem(dem=model)
    assert caught.value.code == "CHIM793"
    for text in ("error(0.1) D0\nerror(0.1) L0", "error(0.1) D0 L0 ^ D0"):
        with pytest.raises(DetectorModelError) as blind:
            decoder("pymatching").compile_decoder_for_dem(dem=stim.DetectorErrorModel(text))
        assert blind.value.code == "CHIM792"
    with pytest.raises(DecodingError, match="no edge"):
        decoder("pymatching").compile_decoder_for_dem(
            dem=stim.DetectorErrorModel("error(0.1) D0 D1 ^ L0")
        )
    with pytest.raises(DecodingError, match="is certain"):
        decoder("pymatching").compile_decoder_for_dem(dem=stim.DetectorErrorModel("error(1) D0"))


@pytest.mark.parametrize("name", ["", "PyMatching", "bp", None])
def test_an_unknown_decoder_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(DecodingError, match="unknown decoder") as caught:
        decoder(name)
    assert caught.value.hint == f"one of {', '.join(DECODERS)}"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(DecodingError, match="'pymatching'"):
        decoder("pymatching", beam=3)
    with pytest.raises(DecodingError, match="commit"):
        decoder("window")


def test_shots_of_another_shape_are_refused_and_none_are_none() -> None:
    compiled = decoder("pymatching").compile_decoder_for_dem(
        dem=stim.DetectorErrorModel("error(0.1) D0 D8 L0\nerror(0.1) D0")
    )
    for shots in (np.zeros((3, 1), np.uint8), np.zeros((3, 9), np.bool_), "00"):
        with pytest.raises(DecodingError, match="for 9 detectors") as caught:
            compiled.decode_shots_bit_packed(bit_packed_detection_event_data=shots)
        assert caught.value.code == "CHIM794"
    none = np.zeros((0, 2), np.uint8)
    assert compiled.decode_shots_bit_packed(bit_packed_detection_event_data=none).shape == (0, 1)
