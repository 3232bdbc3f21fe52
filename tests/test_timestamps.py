from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.timestamps import NS, instant, timestamp


@given(st.integers(-62_135_596_800 * NS, 253_402_300_799 * NS))
def test_an_instant_is_read_back(time_ns):
    assert instant(timestamp(time_ns)) == time_ns


def test_fractions_are_compared_as_numbers():
    assert instant("2026-08-01T11:00:01.5Z") > instant("2026-08-01T11:00:01.49Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_what_is_no_timestamp(text):
    assert instant(text) is None


def test_nine_digits_only_where_nanoseconds_need_them():
    assert timestamp(1_000) == "1970-01-01T00:00:00.000001Z"
    assert timestamp(1_001) == "1970-01-01T00:00:00.000001001Z"
