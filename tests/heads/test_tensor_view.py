"""Tensors are read in place as the library reads them, and nothing outside of the bytes is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from chimera_pipelines.heads.tensor_view import read

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(st.dictionaries(st.text("abc", min_size=1), shapes, max_size=4), st.text())
def test_reads_what_the_library_writes(found: dict[str, tuple[int, ...]], text: str) -> None:
    tensors = {name: np.random.default_rng(1).random(shape) for name, shape in found.items()}
    data = save(tensors, metadata={"note": text})
    metadata, views = read(data)
    assert metadata == {"note": text}
    assert set(views) == set(tensors)
    for name, view in views.items():
        again = np.frombuffer(view.data, dtype=np.float64).reshape(view.shape)
        assert np.array_equal(again, tensors[name])


def test_copies_nothing() -> None:
    data = bytearray(save({"x": np.zeros(4)}))
    view = read(memoryview(data))[1]["x"]
    data[-8:] = np.float64(7).tobytes()
    assert np.frombuffer(view.data)[-1] == 7


def with_header(header: Any, tensors: bytes = bytes(16)) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def tensor(shape: Any = (2,), offsets: Any = (0, 16), dtype: Any = "F64") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BAD: dict[str, Any] = {
    "nothing": b"",
    "too short": b"\x00" * 7,
    "header too long": (99).to_bytes(8, "little") + b"{}",
    "no object": with_header([]),
    "no JSON": (3).to_bytes(8, "little") + b"{x}",
    "metadata no object": with_header({"__metadata__": [], "x": tensor()}),
    "outside": with_header({"x": tensor((4,), (0, 32))}),
    "negative": with_header({"x": tensor((2,), (-16, 0))}),
    "backwards": with_header({"x": tensor((2,), (16, 0))}),
    "another size": with_header({"x": tensor((1,))}),
    "a size that is no number": with_header({"x": tensor(("2",))}),
    "true is no size": with_header({"x": tensor((True, 2))}),
    "unknown type": with_header({"x": tensor(dtype="Q7")}),
    "overlap": with_header({"x": tensor(), "y": tensor()}),
    "gap": with_header({"x": tensor((1,), (8, 16))}),
    "bytes left over": with_header({"x": tensor((1,), (0, 8))}),
    "three offsets": with_header({"x": tensor((2,), (0, 8, 16))}),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_refuses(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        read(data)
