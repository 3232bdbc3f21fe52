"""The exact table against enumeration of all errors, scipy's Hadamard matrix, and matching."""

from __future__ import annotations

import errno
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from scipy.stats import binomtest

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import PyMatchingDecoder
from chimera_pipelines.qec.errors import DecodingError, DetectorModelError
from chimera_pipelines.qec.projection import Symptom, symptoms
from chimera_pipelines.qec.table import (
    TableDecoder,
    build_table,
    content_id,
    distribution,
    walsh_hadamard,
)

FALSE_FAILURE = 1e-6


@given(st.integers(0, 11), st.integers(0, 2**32 - 1))
def test_the_transform_is_hadamards_matrix(bits: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=1 << bits)
    kept = values.copy()
    found = walsh_hadamard(values)
    np.testing.assert_allclose(found, hadamard(1 << bits) @ values, atol=1e-9)
    np.testing.assert_array_equal(values, kept)


@st.composite
def models(draw: st.DrawFn) -> tuple[dict[Symptom, float], int, int]:
    """Up to eight errors on up to five detectors and two observables."""
    detectors, observables = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    chances = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]))
    found: dict[Symptom, float] = {}
    for _ in range(draw(st.integers(0, 8))):
        seen = draw(st.sets(st.integers(0, detectors - 1), min_size=1))
        flips = draw(st.sets(st.integers(0, observables - 1)))
        found[tuple(sorted(seen)), tuple(sorted(flips))] = draw(chances)
    return found, detectors, observables


def enumerated(
    found: dict[Symptom, float], detectors: int, observables: int
) -> npt.NDArray[np.float64]:
    """Every combination of errors, its outcome and its probability, from the definition."""
    chances = np.zeros(1 << (detectors + observables))
    for happened in product((False, True), repeat=len(found)):
        outcome, chance = 0, 1.0
        for (key, p), yes in zip(found.items(), happened, strict=True):
            chance *= p if yes else 1 - p
            if yes:
                outcome ^= sum(1 << d for d in key[0]) | sum(1 << (detectors + o) for o in key[1])
        chances[outcome] += chance
    return chances


@given(models())
@settings(max_examples=150, deadline=None)
def test_probabilities_and_answers_are_those_of_enumeration(
    model: tuple[dict[Symptom, float], int, int],
) -> None:
    found, detectors, observables = model
    exact = enumerated(found, detectors, observables)
    np.testing.assert_allclose(distribution(found, detectors, observables), exact, atol=1e-12)
    table = build_table(found, detectors, observables)
    by_answer = exact.reshape(1 << observables, -1)
    bits = np.unpackbits(table.planes, axis=1, count=1 << detectors, bitorder="little")
    answers = (bits << np.arange(observables)[:, None]).sum(axis=0)
    chosen = by_answer[answers, np.arange(1 << detectors)]
    np.testing.assert_allclose(chosen, by_answer.max(axis=0), atol=1e-12)
    assert table.error == pytest.approx(1 - by_answer.max(axis=0).sum(), abs=1e-12)


def packed(circuit: stim.Circuit, shots: int, seed: int) -> tuple[npt.NDArray[np.uint8], ...]:
    sampler = circuit.compile_detector_sampler(seed=seed)
    return sampler.sample(shots, separate_observables=True, bit_packed=True)


def test_the_table_errs_as_often_as_it_says_and_less_than_matching() -> None:
    circuit = memory_circuit(3, 2, noise="uniform", physical=0.01)
    model = circuit.detector_error_model()
    events, flips = packed(circuit, 200_000, 5)
    compiled = TableDecoder().compile_decoder_for_dem(dem=model)
    wrong = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events) != flips
    said = binomtest(int(wrong.sum()), len(flips), compiled.table.error)
    assert said.pvalue > FALSE_FAILURE
    edges = circuit.detector_error_model(decompose_errors=True)
    matched = PyMatchingDecoder().compile_decoder_for_dem(dem=edges)
    other = matched.decode_shots_bit_packed(bit_packed_detection_event_data=events) != flips
    better, worse = int((other & ~wrong).sum()), int((wrong & ~other).sum())
    # Were matching as good, more than this many discordant shots for the table had p < 1e-6.
    assert binomtest(better, better + worse, 0.5, alternative="greater").pvalue < FALSE_FAILURE


def test_a_table_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = memory_circuit(3, 1, noise="uniform", physical=0.01).detector_error_model()
    built = TableDecoder(cache=tmp_path / "new").compile_decoder_for_dem(dem=model).table
    (path,) = (tmp_path / "new").iterdir()
    name = content_id(symptoms(model), model.num_detectors, model.num_observables)
    assert path.name == f"{name}.table"
    monkeypatch.setattr("chimera_pipelines.qec.table.build_table", None)  # would be called
    read = TableDecoder(cache=tmp_path / "new").compile_decoder_for_dem(dem=model).table
    assert read.error == built.error
    np.testing.assert_array_equal(read.planes, built.planes)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda _: b"",
        lambda _: b"[]\n",
        lambda data: data.replace(b"qec-table/1", b"qec-table/9"),
    ],
)
def test_a_damaged_table_is_built_again(tmp_path: Path, damage: object) -> None:
    model = memory_circuit(3, 1, noise="uniform", physical=0.01).detector_error_model()
    decoder = TableDecoder(cache=tmp_path)
    built = decoder.compile_decoder_for_dem(dem=model).table
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    path.write_bytes(damage(sound))  # type: ignore[operator]
    again = decoder.compile_decoder_for_dem(dem=model).table
    np.testing.assert_array_equal(again.planes, built.planes)
    assert path.read_bytes() == sound


def test_a_table_that_cannot_be_written_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    model = memory_circuit(3, 1, noise="uniform", physical=0.01).detector_error_model()
    with pytest.raises(DecodingError, match="No space left"):
        TableDecoder(cache=tmp_path).compile_decoder_for_dem(dem=model)
    assert list(tmp_path.iterdir()) == []


def test_another_model_has_another_id() -> None:
    ids = set()
    for physical in (0.01, 0.011):
        model = memory_circuit(3, 1, noise="uniform", physical=physical).detector_error_model()
        ids.add(content_id(symptoms(model), model.num_detectors, model.num_observables))
    assert len(ids) == 2


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = stim.DetectorErrorModel("error(0.1) D0 L0")
    with pytest.raises(DecodingError, match="cannot be kept") as caught:
        TableDecoder(cache=tmp_path / "file" / "x").compile_decoder_for_dem(dem=model)
    assert caught.value.code == "CHIM793"


def test_models_too_large_or_blind_are_refused() -> None:
    large = memory_circuit(5, 5, noise="uniform", physical=0.01).detector_error_model()
    with pytest.raises(DecodingError, match=r"would have 2\^121 entries"):
        TableDecoder().compile_decoder_for_dem(dem=large)
    with pytest.raises(DetectorModelError):
        TableDecoder().compile_decoder_for_dem(dem=stim.DetectorErrorModel("error(0.1) L0"))


def test_shots_of_another_shape_are_refused() -> None:
    compiled = TableDecoder().compile_decoder_for_dem(
        dem=stim.DetectorErrorModel("error(.1) D8 L0")
    )
    for shots in (np.zeros((3, 1), np.uint8), np.zeros((3, 2), np.int64), [[0, 0]]):
        with pytest.raises(DecodingError) as caught:
            compiled.decode_shots_bit_packed(bit_packed_detection_event_data=shots)
        assert caught.value.code == "CHIM794"
