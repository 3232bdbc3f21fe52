"""Files of shots against stim's own writer and reader; what is wrong is told with its place."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.qec import shots_files
from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import PyMatchingDecoder
from chimera_pipelines.qec.projection import one_basis
from chimera_pipelines.qec.shots import decode_files, decode_shots
from chimera_pipelines.qec.shots_files import (
    ShotsError,
    packed_from,
    parse_model,
    read_model,
    read_shots,
)
from chimera_pipelines.qec.statistics import wilson

CIRCUIT = one_basis(memory_circuit(3, 3, noise="uniform", physical=0.01))
MODEL = CIRCUIT.detector_error_model()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**32), st.sampled_from(["b8", "01"]))
def test_what_stim_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, bits: int, count: int, seed: int, form: str
) -> None:
    data = np.random.default_rng(seed).integers(0, 2, (count, bits)).astype(np.bool_)
    path = tmp_path_factory.mktemp("shots") / f"x.{form}"
    stim.write_shot_data_file(data=data, path=path, format=form, num_detectors=bits)
    found = np.concatenate(list(read_shots(path, bits)))
    np.testing.assert_array_equal(found, np.packbits(data, axis=1, bitorder="little"))


@pytest.mark.parametrize("form", ["b8", "01"])
def test_pieces_join(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots_files, "PIECE_BYTES", 64)
    data = np.random.default_rng(1).integers(0, 2, (333, 13)).astype(np.bool_)
    path = tmp_path / f"x.{form}"
    stim.write_shot_data_file(data=data, path=path, format=form, num_detectors=13)
    pieces = list(read_shots(path, 13))
    assert len(pieces) > 3
    np.testing.assert_array_equal(
        np.concatenate(pieces), np.packbits(data, axis=1, bitorder="little")
    )


def write(folder: Path, shots: int, form: str = "b8") -> tuple[Path, Path, Path, int]:
    """Model, events and flips in files, and how many errors PyMatching makes by itself."""
    events, flips = CIRCUIT.compile_detector_sampler(seed=4).sample(
        shots, separate_observables=True
    )
    MODEL.to_file(folder / "m.dem")
    detectors, observables = MODEL.num_detectors, MODEL.num_observables
    for name, data, kind in (("d", events, detectors), ("o", flips, observables)):
        stim.write_shot_data_file(
            data=data, path=folder / f"{name}.{form}", format=form, num_detectors=kind
        )
    both = np.concatenate([events, flips], axis=1)
    stim.write_shot_data_file(
        data=both, path=folder / f"both.{form}", format=form, num_detectors=both.shape[1]
    )
    compiled = PyMatchingDecoder().compile_decoder_for_dem(dem=MODEL)
    packed = np.packbits(events, axis=1, bitorder="little")
    guess = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed)
    wrong = int(((guess[:, 0] & 1) != flips[:, 0]).sum())
    return folder / "m.dem", folder / f"d.{form}", folder / f"o.{form}", wrong


@pytest.mark.parametrize("form", ["b8", "01"])
def test_rows_of_files(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots_files, "PIECE_BYTES", 1000)  # pieces of both files differ in length
    model, events, flips, wrong = write(tmp_path, 3000, form)
    row = decode_files(model, events, flips)
    found = wilson(wrong, 3000)
    assert (row.errors, row.shots, row.logical) == (wrong, 3000, wrong / 3000)
    assert (row.low, row.high) == (found.low, found.high)
    assert row.noise.startswith("dem sha256:")
    assert row.as_json()["decoder"] == "pymatching"
    both = decode_files(model, tmp_path / f"both.{form}", noise="measured")
    assert (both.errors, both.noise) == (wrong, "measured")


def test_shots_in_memory_and_the_shapes_they_must_have() -> None:
    events, flips = CIRCUIT.compile_detector_sampler(seed=4).sample(
        500, separate_observables=True, bit_packed=True
    )
    assert decode_shots(MODEL, events, flips).shots == 500
    with pytest.raises(ShotsError, match="observables of") as caught:
        decode_shots(MODEL, events, flips[:-1])
    assert caught.value.code == "CHIM796"
    with pytest.raises(ShotsError, match="no shots"):
        decode_shots(MODEL, events[:0], flips[:0])


def test_shots_of_lists_arrays_and_bytes() -> None:
    rows = [[1, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]]
    wanted = [[1, 1], [2, 0]]
    assert packed_from(rows, 9, "events").tolist() == wanted
    assert packed_from(np.array(rows, np.bool_), 9, "events").tolist() == wanted
    assert packed_from(bytes([1, 1, 2, 0]), 9, "events").tolist() == wanted
    for bad in (rows[0], [[1, 0], [1]], [[2] * 9], [[0.0] * 9], bytes(3), bytes([0, 2]), "text"):
        with pytest.raises(ShotsError, match="events:") as caught:
            packed_from(bad, 9, "events")
        assert caught.value.code == "CHIM796"


def test_files_of_different_experiments(tmp_path: Path) -> None:
    model, events, flips, _ = write(tmp_path, 100)
    flips.write_bytes(flips.read_bytes()[:-1])
    with pytest.raises(ShotsError, match="fewer shots of observables"):
        decode_files(model, events, flips)
    flips.write_bytes(bytes(200))
    with pytest.raises(ShotsError, match="more shots of observables"):
        decode_files(model, events, flips)


def place(error: pytest.ExceptionInfo[ShotsError]) -> tuple[int, int]:
    where = error.value.where
    assert error.value.code == "CHIM796"
    assert where is not None
    return where.line, where.column


def test_bad_shots_are_located(tmp_path: Path) -> None:
    path = tmp_path / "x.01"
    path.write_text("010\n0120\n")
    with pytest.raises(ShotsError, match="b'2'") as caught:
        list(read_shots(path, 3))
    assert place(caught) == (2, 3)
    path.write_text("010\n01\n")
    with pytest.raises(ShotsError, match="2 bits, not 3") as caught:
        list(read_shots(path, 3))
    assert place(caught) == (2, 3)
    path = tmp_path / "x.b8"
    path.write_bytes(bytes(5))
    with pytest.raises(ShotsError, match="5 bytes are no whole number of shots of 2 bytes"):
        list(read_shots(path, 9))
    path.write_bytes(bytes([0, 1, 0, 3]))
    with pytest.raises(ShotsError, match=r"shot 1 \(byte 3\) has bits set behind bit 9"):
        list(read_shots(path, 9))
    with pytest.raises(ShotsError, match="cannot be read"):
        list(read_shots(tmp_path / "none.b8", 9))
    with pytest.raises(ShotsError, match="shots in a file"):
        list(read_shots(tmp_path / "x.txt", 9))
    with pytest.raises(ShotsError, match="0 bits"):
        list(read_shots(path, 0))


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("error(0.1) D0 L0\n  error(1.5) D1", 2, 3, "probability '1.5'"),
        ("error(-0.1) D1", 1, 1, "probability '-0.1'"),
        ("error(nan) D1", 1, 1, "probability 'nan'"),
        ("error(0.1) D0\nrepeat 3 {\n    error(0.2) L0\n}", 3, 5, "flips an observable"),
        ("error(0.1) D0 D0 L1", 1, 1, "flips an observable"),
        ("error(0.1) D0 ^ D0 L1", 1, 1, "flips an observable"),
        ("error(0.1) D0\nfoo D1", 2, 1, "foo"),
        ("error(0.1) D0\n\nerror 0.1 D1", 3, 1, "no detector error model"),
        ("repeat 3 {\nerror(0.1) D0", 2, 1, "Unterminated"),
    ],
)
def test_bad_models_are_located(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ShotsError, match=words) as caught:
        parse_model(text, file="m.dem")
    assert place(caught) == (line, column)
    assert caught.value.where is not None
    assert caught.value.where.file == "m.dem"


def test_good_models_are_stims(tmp_path: Path) -> None:
    text = "error[tag](0.1) D0 L0 # why\nrepeat 3 {\n error(1) D0 D1\n shift_detectors 1\n}\n"
    text += "\nerror(0) L0"
    assert parse_model(text) == stim.DetectorErrorModel(text)
    assert parse_model("") == stim.DetectorErrorModel()
    path = tmp_path / "m.dem"
    path.write_text(str(MODEL))
    assert read_model(path) == MODEL
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ShotsError, match="cannot be read"):
        read_model(path)
    with pytest.raises(ShotsError, match="cannot be read"):
        read_model(tmp_path / "none.dem")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="error(0.1)D L^{}repeat \n#5-", max_size=60))
def test_no_text_gives_another_error(text: str) -> None:
    with contextlib.suppress(ShotsError):
        assert isinstance(parse_model(text), stim.DetectorErrorModel)
