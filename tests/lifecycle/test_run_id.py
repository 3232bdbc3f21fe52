from __future__ import annotations

import re

from chimera_pipelines.lifecycle.run_id import new_run_id, ulid


def test_is_an_upper_case_ulid_and_never_repeats() -> None:
    found = [new_run_id() for _ in range(1000)]
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", text) for text in found)
    assert len(set(found)) == len(found)


def test_later_milliseconds_sort_after_earlier_ones() -> None:
    first, second = new_run_id(), new_run_id()
    assert first[:10] <= second[:10]


def test_example_of_the_ulid_specification() -> None:
    assert ulid(1469918176385, 0) == "01ARYZ6S41" + "0" * 16
    assert ulid(2**48 - 1, 2**80 - 1) == "7" + "Z" * 25
