from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.lines import LineIndex


@given(st.text("ab🐪\r\u2028\n", max_size=30), st.data())
def test_places_lead_back_to_offsets(text, data):
    offset = data.draw(st.integers(0, len(text)))
    line, column = LineIndex(text).place(offset)
    rows = text.split("\n")
    assert sum(len(row) + 1 for row in rows[: line - 1]) + column - 1 == offset


def test_stretches_begin_where_they_are_told():
    span = LineIndex("ab\ncd", 10, 3).span(1, 4)
    assert (span.line, span.column, span.end_line, span.end_column) == (10, 4, 11, 4)
