"""Updates as they travel, and the times of both sides in figures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.qec.ring_buffer import RingCounters
from chimera_pipelines.qec.session_report import FrameUpdate, Timings, read_update, write_update


@given(
    st.integers(0, 2**63), st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=1)
)
def test_updates_travel(number: int, flips: list[list[int]]) -> None:
    update = FrameUpdate(number, number, np.array(flips, np.uint8), 1, number, 3)
    back = read_update(write_update(update), len(flips), 3)
    assert (back.window, back.through, back.began_ns, back.ended_ns) == (number, number, 1, number)
    np.testing.assert_array_equal(back.flips, update.flips)


def test_the_overlap_is_what_was_decoded_while_the_head_went_on() -> None:
    """100 of decoding, 60 before the last push, 10 of those held back: one half is hidden."""
    timings = Timings(first=1000, last=2000, busy=[(1900, 1950), (1990, 2040)], held=[(1940, 1960)])
    counters = RingCounters(0, 0, 0, 0, 0, 0, 0)
    report = timings.report(where="process", shots=2, rounds=10, ring=counters)
    assert report.overlap == pytest.approx(0.5)
    assert report.decode_s == pytest.approx(100e-9)
    assert report.reaction_s == pytest.approx(40e-9)
    assert report.us_per_round == pytest.approx(0.1 / 20)
    assert timings.report(where="inline", shots=2, rounds=10, ring=counters).overlap == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30), st.data())
def test_times_that_are_added_up_as_one_goes_are_those_of_all_at_once(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Windows and waits in turn on a clock of its own, reported in the end and never sooner."""
    now, busy, held = [1000], list[tuple[int, int]](), list[tuple[int, int]]()
    timings = Timings(first=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic_ns", lambda: now[0])
        for wait, work in steps:
            began = now[0] + wait
            now[0] = began + work
            if data.draw(st.booleans()):
                busy.append((began, now[0]))
                flips = np.zeros((1, 1), np.uint8)
                timings.decoded(FrameUpdate(0, 1, flips, began, now[0], 0), now[0])
            if data.draw(st.booleans()):
                held.append((began - wait, now[0]))
                timings.held.append(held[-1])
            if data.draw(st.booleans()):
                timings.pushed()
    counters = RingCounters(0, 0, 0, 0, 0, 0, 0)
    whole = Timings(first=1000, last=timings.last, busy=busy, held=held)
    one, other = (
        each.report(where="process", shots=1, rounds=1, ring=counters) for each in (timings, whole)
    )
    assert one.overlap == pytest.approx(other.overlap)
    assert (one.windows, one.decode_s, one.reaction_s) == (
        other.windows,
        other.decode_s,
        other.reaction_s,
    )
    assert one.blocked_s == pytest.approx(other.blocked_s)
