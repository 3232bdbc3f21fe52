from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.history_bytes import HistoryBytes

# Pieces out of which the place of a History line can be moved, hidden or broken.
PIECES = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"## History", b"- x", b"a", b"  ", b"#"]), max_size=9
).map(b"".join)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\n", b"a\n\n## History\n\n+"),
        (b"a", b"a\n\n## History\n\n+"),
        (b"a\n\n", b"a\n\n## History\n\n+"),
        (b"a\r\n", b"a\r\n\n## History\n\n+"),
        (b"a\r\n\r\n", b"a\r\n\r\n## History\n\n+"),
        (b"", b"## History\n\n+"),
        (b"a\n\n## History", b"a\n\n## History\n\n+"),
        (b"a\n\n## History\n", b"a\n\n## History\n\n+"),
        (b"a\n\n## History\n\n\n\n", b"a\n\n## History\n\n+"),
        (b"a\n\n## History\n\n- e\n", b"a\n\n## History\n\n- e\n+"),
        (b"a\n\n## History\n- e\n\n\n", b"a\n\n## History\n- e\n+"),
        (b"a\r\n## History\r\n\r\n- e\r\n\r\n", b"a\r\n## History\r\n\r\n- e\r\n+"),
    ],
)
def test_entries_go_to_the_end(before, after):
    assert HistoryBytes.read(before).with_entries([b"+"]).raw == after


@given(PIECES, PIECES)
def test_what_is_carried_over_is_what_a_second_look_would_find(first, more):
    grown = HistoryBytes.read(first).grown(first + more)
    assert grown is None or grown == HistoryBytes.read(first + more)


@given(PIECES.map(lambda pieces: b"a\n\n## History\n\n- e\n" + pieces) | PIECES.filter(bool))
def test_what_was_written_is_known_as_if_it_were_read(before):
    after = HistoryBytes.read(before).with_entries([b"- f\n"])
    assert after == HistoryBytes.read(after.raw)


def test_entries_behind_known_bytes_need_no_second_look():
    known = HistoryBytes.read(b"a\n\n## History\n\n- e\n")
    assert known.grown(known.raw) == known
    assert known.grown(known.raw + b"- f\n").raw == known.raw + b"- f\n"


@pytest.mark.parametrize(
    "other",
    [
        b"b\n\n## History\n\n- e\n- f\n",
        b"a\n\n## History\n\n- e",
        b"a\n\n## History\n\n- e\n## History\n",
        b"",
    ],
)
def test_other_bytes_are_looked_at_again(other):
    assert HistoryBytes.read(b"a\n\n## History\n\n- e\n").grown(other) is None
