from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.checkpoint import pack, unpack


@given(
    st.binary(max_size=50), st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=4)
)
def test_what_is_packed_comes_back(output: bytes, registers: dict[str, bytes]) -> None:
    found = unpack(pack(output, registers))
    assert (found.output, found.registers) == (output, registers)


def test_equal_content_gives_equal_bytes() -> None:
    assert pack(b"{}", {"a": b"1", "b": b"2"}) == pack(b"{}", {"b": b"2", "a": b"1"})


@given(st.integers(0, 80))
def test_a_checkpoint_cut_off_anywhere_is_refused(size: int) -> None:
    blob = pack(b'{"x":1}', {"register": b"abc"})
    with pytest.raises(CheckpointError) as caught:
        unpack(blob[: min(size, len(blob) - 1)])
    assert caught.value.code == "CHIM505"


def test_other_versions_and_other_files_are_told_apart() -> None:
    blob = pack(b"{}", {})
    with pytest.raises(CheckpointError, match="has version 2; this program reads version 1"):
        unpack(blob[:8] + b"\x00\x02" + blob[10:])
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        unpack(b"PK\x03\x04" + blob)


@pytest.mark.parametrize("index", [b"[]", b"{", b'{"output":-1,"registers":[]}', b'{"output":2}'])
def test_an_index_that_is_none_is_refused(index: bytes) -> None:
    blob = pack(b"{}", {})
    with pytest.raises(CheckpointError, match="index cannot be read"):
        unpack(blob[:10] + len(index).to_bytes(4, "big") + index + b"{}")
