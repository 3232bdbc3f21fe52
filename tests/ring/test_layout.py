from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.ring.layout import Layout


@given(
    st.binary(max_size=400), st.integers(1, 120), st.sampled_from([0, 16]), st.sampled_from([0, 16])
)
@settings(max_examples=100, deadline=None)
def test_layouts_leave_no_hole(data: bytes, chunk: int, before: int, after: int) -> None:
    layout = Layout(len(data), chunk, before, after)
    at = 0
    for stripe in range(layout.stripes):
        assert layout.offset(stripe) == at
        at += layout.piece(stripe)
        part = layout.plain(stripe)
        assert layout.payload(stripe) == len(data[part]) + before
    assert at == layout.share_bytes
