"""Sessions against offline windows: wherever they decode, however rounds come."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.errors import DecodingError
from chimera_pipelines.qec.projection import one_basis
from chimera_pipelines.qec.ring_buffer_memory import RingError
from chimera_pipelines.qec.session import DecoderSession
from chimera_pipelines.qec.session_decoder import Forked
from chimera_pipelines.qec.session_frames import KEPT_WINDOWS
from chimera_pipelines.qec.session_link import MOST_DEATHS
from chimera_pipelines.qec.session_windows import WindowFeed, only, windows_of
from chimera_pipelines.qec.windows import SlidingWindow

CIRCUIT = one_basis(memory_circuit(3, 14, noise="uniform", physical=0.01))
MODEL = CIRCUIT.detector_error_model()
WINDOWS = SlidingWindow(MODEL, commit=2, buffer=3)


def events(shots: int, seed: int = 5) -> np.ndarray:
    return np.asarray(CIRCUIT.compile_detector_sampler(seed=seed).sample(shots))


def push_all(session: DecoderSession, bits: np.ndarray) -> None:
    for number in range(session.rounds):
        session.push_round(bits[:, session.detectors(number)])


@pytest.mark.parametrize("where", ["inline", "thread", "process"])
@pytest.mark.parametrize("shots", [1, 300])
def test_a_stream_gives_what_offline_windows_give(where: str, shots: int) -> None:
    bits = events(shots)
    with DecoderSession(WINDOWS, shots=shots, where=where) as session:  # type: ignore[arg-type]
        push_all(session, bits)
        frame = session.finish()
        updates = session.poll()
        report = session.report()
    np.testing.assert_array_equal(frame[:, 0], WINDOWS.decode_batch(bits))
    total = np.bitwise_xor.reduce([update.flips for update in updates])
    np.testing.assert_array_equal(total, frame)
    assert [update.window for update in updates] == list(range(len(WINDOWS.windows)))
    assert report.windows == len(WINDOWS.windows)
    assert report.rounds == 15
    assert 0 <= report.overlap <= 1
    assert report.decode_s > 0


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(0, 6),
    st.integers(1, 3),
    st.integers(0, 3),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_sizes_rings_and_polls_change_nothing(
    commit: int, buffer: int, slots: int, host: int, polls: list[bool]
) -> None:
    windows, bits = SlidingWindow(MODEL, commit=commit, buffer=buffer), events(20)
    session = DecoderSession(windows, shots=20, slots=slots, host_slots=host, where="inline")
    with session:
        for number in range(session.rounds):
            session.push_round(bits[:, session.detectors(number)])
            if polls[number]:
                session.poll()
        np.testing.assert_array_equal(session.finish()[:, 0], windows.decode_batch(bits))


def far_edges(layers: int) -> stim.DetectorErrorModel:
    """Two checks a layer; edges to the next layer and to the third, past its neighbours."""
    model, target = stim.DetectorErrorModel(), stim.target_relative_detector_id
    for layer in range(layers):
        one, other = target(2 * layer), target(2 * layer + 1)
        model.append("error", 0.05, [one, stim.target_logical_observable_id(0)])
        model.append("error", 0.05, [one, other])
        model.append("error", 0.05, [other])
        for step, aside in ((1, 0), (3, 0), (3, 1), (7, 0)):
            if layer + step < layers:
                model.append("error", 0.02, [one, target(2 * (layer + step) + aside)])
        model.append("detector", [layer], [one])
        model.append("detector", [layer], [other])
    return model


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_defects_that_lie_further_on_wait_for_their_rounds(
    commit: int, buffer: int, gap: int
) -> None:
    model = far_edges(20)
    bits = model.compile_sampler(seed=3).sample(50)[0].astype(np.uint8)
    times = [gap * (number // 2) for number in range(model.num_detectors)]
    windows = SlidingWindow(model, commit=commit, buffer=buffer, times=times)
    with DecoderSession([windows, windows], shots=50, where="inline") as session:
        push_all(session, bits)
        frame = session.finish()
    np.testing.assert_array_equal(frame, np.repeat(windows.decode_batch(bits)[:, None], 2, axis=1))


def test_a_long_memory_holds_its_last_layers_frames_and_times_alone() -> None:
    circuit = one_basis(memory_circuit(3, 400, noise="uniform", physical=0.01))
    windows = SlidingWindow(circuit.detector_error_model(), commit=2, buffer=3)
    bits, held = circuit.compile_detector_sampler(seed=2).sample(3), 0
    with DecoderSession(windows, shots=3, where="inline") as session:
        feed = session._link.decoder._feed  # type: ignore[attr-defined]
        for number in range(session.rounds):
            session.push_round(bits[:, session.detectors(number)])
            session.poll()
            held = max(held, feed.held)
            assert len(session._frames) <= KEPT_WINDOWS * 5 // 2 + 1
            assert len(session._timings.busy) + len(session._timings.held) <= 3
        np.testing.assert_array_equal(session.finish()[:, 0], windows.decode_batch(bits))
        assert session.report().windows == len(windows.windows)
    assert 3 <= held <= 5  # of 401


def test_rounds_may_be_asked_for_until_they_lie_four_windows_behind() -> None:
    circuit = one_basis(memory_circuit(3, 60, noise="uniform", physical=0.01))
    windows = SlidingWindow(circuit.detector_error_model(), commit=2, buffer=3)
    bits = circuit.compile_detector_sampler(seed=2).sample(9)
    with DecoderSession(windows, shots=9, where="inline") as session:
        early = session.frame(0, 0)
        for number in range(session.rounds):
            session.push_round(bits[:, session.detectors(number)])
            oldest = max(0, number + 1 - 20)
            future = session.frame(0, oldest)
            session.poll()
            if number >= 20:
                assert future.done()
            for wrong in (oldest - 1, 1.5, "a"):
                with pytest.raises(DecodingError, match="no frame") as caught:
                    session.frame(0, wrong)  # type: ignore[arg-type]
                assert caught.value.code == "CHIM794"
        np.testing.assert_array_equal(session.frame(0, 60).result(1), session.finish()[:, 0])
        assert early.done()


def test_a_frame_comes_when_its_round_is_final_and_no_sooner() -> None:
    bits = events(50)
    with DecoderSession(WINDOWS, shots=50, where="inline") as session:
        early, late = session.frame(0, 1), session.frame(0, 14)
        for number in range(session.rounds):
            assert early.done() == (number >= 5)  # window 0 commits rounds 0, 1 and looks at 0 to 4
            session.push_round(bits[:, session.detectors(number)])
            first = session.poll()[:1] if number == 4 else session.poll()[:0]
            if first:
                np.testing.assert_array_equal(early.result(0), first[0].flips[:, 0])
        np.testing.assert_array_equal(late.result(5), WINDOWS.decode_batch(bits))
        np.testing.assert_array_equal(session.frame(0, 0).result(0), early.result(0))


def test_asking_for_a_frame_waits_for_the_decoder() -> None:
    bits = events(4)
    with DecoderSession(WINDOWS, shots=4, where="process") as session:
        future = session.frame(0, 14)
        push_all(session, bits)
        np.testing.assert_array_equal(future.result(30), WINDOWS.decode_batch(bits))


def test_a_frame_whose_rounds_are_missing_is_not_waited_for_for_ever() -> None:
    with DecoderSession(WINDOWS, where="thread") as session:
        with pytest.raises(RingError, match="waited for a frame"):
            session.frame(0, 0).result(0.05)
        with pytest.raises(DecodingError, match="0 of 15 rounds"):
            session.finish()


def test_bits_that_are_none() -> None:
    with DecoderSession(WINDOWS, shots=2, where="inline") as session:
        wanted = session.detectors(0).size
        for bad in (
            np.zeros((2, wanted + 1), np.uint8),
            np.zeros(wanted, np.uint8),
            np.full((2, wanted), 2, np.uint8),
            np.zeros((2, wanted)),
        ):
            with pytest.raises(DecodingError) as caught:
                session.push_round(bad)
            assert caught.value.code == "CHIM794"
        push_all(session, events(2))
        with pytest.raises(DecodingError, match="behind the last"):
            session.push_round(np.zeros((2, 0), np.uint8))
        with pytest.raises(DecodingError, match="no frame"):
            session.frame(1, 0)


def test_other_arguments_that_are_none() -> None:
    with pytest.raises(DecodingError, match="no decoder runs in"):
        DecoderSession(WINDOWS, where="moon")  # type: ignore[arg-type]
    with pytest.raises(DecodingError, match="0 shots"):
        DecoderSession(WINDOWS, shots=0, where="inline")
    other = SlidingWindow(MODEL, commit=3, buffer=3)
    with pytest.raises(DecodingError, match="2 different memories"):
        DecoderSession([WINDOWS, other], where="inline")


def kill(session: DecoderSession) -> None:
    assert isinstance(session._link.decoder, Forked)
    os.kill(session._link.decoder.pid, signal.SIGKILL)


def replaced(session: DecoderSession) -> None:
    """Kills the decoder, and polls until there is another."""
    before = session.report().restarts
    kill(session)
    while session.report().restarts == before:
        session.poll()


@settings(max_examples=20, deadline=None)
@given(
    st.sets(st.integers(0, 19), max_size=MOST_DEATHS - 1),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(1, 2),
    st.booleans(),
)
def test_a_decoder_that_dies_is_replaced_and_frames_stay_what_they_are(
    deaths: set[int], commit: int, buffer: int, slots: int, gap: int, wait: bool
) -> None:
    model = far_edges(20)
    bits = model.compile_sampler(seed=3).sample(30)[0].astype(np.uint8)
    times = [gap * (number // 2) for number in range(model.num_detectors)]
    windows = SlidingWindow(model, commit=commit, buffer=buffer, times=times)
    pair = [windows, windows]
    with DecoderSession(pair, shots=30, slots=slots, host_slots=2, where="process") as session:
        for number in range(session.rounds):
            session.push_round(bits[:, session.detectors(number)])
            if number in deaths:
                final = number + 1 - commit - buffer
                if wait and final >= 0:  # so that the new one begins in the middle
                    session.frame(0, final // commit * commit).result(30)
                kill(session)
        frame, updates, report = session.finish(), session.poll(), session.report()
    np.testing.assert_array_equal(frame, np.repeat(windows.decode_batch(bits)[:, None], 2, axis=1))
    assert [update.window for update in updates] == list(range(len(windows.windows)))
    assert report.restarts <= len(deaths)
    assert report.ring.pushed == report.ring.popped + report.ring.in_ring + report.ring.in_host


def test_the_dead_are_counted() -> None:
    bits = events(5)
    with DecoderSession(WINDOWS, shots=5, where="process") as session:
        for number in range(session.rounds):
            session.push_round(bits[:, session.detectors(number)])
            if number in (6, 10):
                session.frame(0, number - 6).result(30)
                replaced(session)
        np.testing.assert_array_equal(session.finish()[:, 0], WINDOWS.decode_batch(bits))
        assert session.report().restarts == 2


def test_decoders_that_die_without_a_window_between_end_the_session() -> None:
    bits = events(1)
    with DecoderSession(WINDOWS, slots=2, where="process") as session:
        session.push_round(bits[:, session.detectors(0)])
        for _ in range(MOST_DEATHS - 1):
            replaced(session)
        with pytest.raises(RingError, match=r"ended early: process .* ended with -9") as caught:
            replaced(session)
        assert caught.value.code == "CHIM798"
        assert session.report().restarts == MOST_DEATHS - 1


def test_closing_early_ends_the_decoder() -> None:
    session = DecoderSession(WINDOWS, where="process")
    assert isinstance(session._link.decoder, Forked)
    pid = session._link.decoder.pid
    pending = session.frame(0, 3)
    session.close()
    assert pending.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_back_pressure_is_counted_and_nothing_is_lost() -> None:
    """A decoder that is stopped for a while holds the head back, through the host's slots first."""
    bits = events(3)
    with DecoderSession(WINDOWS, shots=3, slots=2, host_slots=2, where="process") as session:
        decoder = session._link.decoder
        assert isinstance(decoder, Forked)
        os.kill(decoder.pid, signal.SIGSTOP)
        try:
            for number in range(4):
                session.push_round(bits[:, session.detectors(number)])
            with pytest.raises(RingError, match="room in the ring"):
                session.push_round(bits[:, session.detectors(4)], timeout_s=0.05)
        finally:
            os.kill(decoder.pid, signal.SIGCONT)
        for number in range(4, session.rounds):
            session.push_round(bits[:, session.detectors(number)])
        frame, report = session.finish(), session.report()
    np.testing.assert_array_equal(frame[:, 0], WINDOWS.decode_batch(bits))
    assert report.ring.spilled >= 2
    assert report.ring.waits >= 1
    assert report.blocked_s >= 0.05


def test_several_observables_have_windows_of_their_own() -> None:
    text = str(MODEL).replace("L0", "L0 L1")
    double = stim.DetectorErrorModel(text)
    bits = events(40)
    with DecoderSession.of_model(double, commit=2, buffer=3, shots=40, where="inline") as session:
        push_all(session, bits)
        frame = session.finish()
    np.testing.assert_array_equal(frame, np.repeat(WINDOWS.decode_batch(bits)[:, None], 2, axis=1))
    assert only(double, 1).num_observables == 1
    assert len(windows_of(MODEL, commit=2, buffer=3)) == 1


def test_layers_without_detectors_are_rounds_too() -> None:
    model = stim.DetectorErrorModel(
        "error(0.1) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1\n"
        "detector(0) D0\ndetector(3) D1\nlogical_observable L0"
    )
    feed = WindowFeed(SlidingWindow(model, commit=1, buffer=1), shots=1)
    assert [columns.tolist() for columns in feed.columns] == [[0], [], [], [1]]


def test_decoding_overlaps_a_head_that_takes_its_time() -> None:
    """A head of 2 ms a round leaves the decoder its time: nearly all is hidden."""
    bits = events(200)
    with DecoderSession(WINDOWS, shots=200, where="process") as session:
        for number in range(session.rounds):
            time.sleep(0.002)
            session.push_round(bits[:, session.detectors(number)])
        session.finish()
        assert session.report().overlap > 0
