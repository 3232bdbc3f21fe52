"""Tensors of safetensors bytes without copying them: a register of a gibibyte is back at once.

The library's `deserialize` gives every tensor as a copy. The format is simple enough to be read in
place: eight bytes of header length, a JSON header, then the tensors one behind the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_HEADER = 100_000_000  # as the library has it
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}


@dataclass(frozen=True, slots=True)
class TensorView:
    """One tensor; `data` looks into the bytes that it was read from."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


def read(data: bytes | memoryview) -> tuple[dict[str, str], dict[str, TensorView]]:
    """Metadata and tensors.

    Raises:
        ValueError, TypeError, LookupError: not safetensors; or tensors lie outside, over each
            other or with gaps.
    """
    whole = memoryview(data).cast("B")
    length = int.from_bytes(whole[:8], "little")
    if len(whole) < 8 or length > min(MAX_HEADER, len(whole) - 8):  # noqa: PLR2004
        raise ValueError(f"a header of {length} bytes in {len(whole)}")
    header = json.loads(bytes(whole[8 : 8 + length]))
    if not isinstance(header, dict):
        raise TypeError("the header is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise TypeError("the metadata is no object")
    tensors = whole[8 + length :]
    found = {name: _tensor(name, item, tensors) for name, item in header.items()}
    _check_layout(header, len(tensors))
    return metadata, found


def _tensor(name: str, item: Mapping[str, Any], tensors: memoryview) -> TensorView:
    dtype, shape = item["dtype"], tuple(item["shape"])
    begin, end = item["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or dtype not in _SIZES:
        raise ValueError(f"tensor {name!r} is {dtype!r} of shape {shape}")
    if end > len(tensors) or end - begin != math.prod(shape) * _SIZES[dtype]:
        raise ValueError(f"tensor {name!r} of shape {shape} lies at {begin} to {end}")
    return TensorView(dtype, shape, tensors[begin:end])


def _check_layout(header: Mapping[str, Any], size: int) -> None:
    at = 0
    for begin, end in sorted(tuple(item["data_offsets"]) for item in header.values()):
        if begin != at:
            raise ValueError(f"a tensor begins at {begin}, and the one before ends at {at}")
        at = end
    if at != size:
        raise ValueError(f"the tensors end at {at} of {size} bytes")
