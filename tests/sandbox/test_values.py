from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.digest import NotCanonicalError
from chimera_pipelines.sandbox import values
from chimera_pipelines.sandbox.outcomes import Attachment


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda part: st.lists(part) | st.dictionaries(st.text("abc"), part),
        max_leaves=10,
    )
)
def test_json_passes_as_it_is(value: object) -> None:
    assert values.encode(value) == (value, [])
    assert values.decode(value, ()) == value  # type: ignore[arg-type]


def test_tuples_scalars_and_small_arrays_become_lists_and_numbers() -> None:
    value = {
        "tuple": (1, (2,)),
        "float32": np.float32(0.1),
        "int64": np.int64(3),
        "bool": np.bool_(True),
        "array": np.arange(4, dtype=np.float32).reshape(2, 2) / 10,
        "empty": np.zeros((0, 3)),
        "zero dimensions": np.array(2.5),
    }
    assert values.encode(value)[0] == {
        "tuple": [1, [2]],
        "float32": float(np.float32(0.1)),
        "int64": 3,
        "bool": True,
        "array": [[0.0, float(np.float32(0.1))], [float(np.float32(0.2)), float(np.float32(0.3))]],
        "empty": [],
        "zero dimensions": 2.5,
    }


def test_arrays_beyond_the_limit_cross_as_little_endian_npy() -> None:
    big = np.arange(values.MAX_LIST_ELEMENTS + 1, dtype=">f8")
    assert values.encode(big[:-1])[1] == []
    encoded, attachments = values.encode({"x": [big], "raw": b"\x00\x01"})
    assert encoded == {"x": [{"$attachment": 0}], "raw": {"$attachment": 1}}
    assert attachments[1] == Attachment("application/octet-stream", b"\x00\x01")
    assert attachments[0].data[:8] == b"\x93NUMPY\x01\x00"
    assert b"'<f8', 'fortran_order': False" in attachments[0].data[:128]
    back = values.decode(encoded, attachments)
    assert isinstance(back, dict)
    np.testing.assert_array_equal(back["x"][0], big)
    assert back["raw"] == b"\x00\x01"


def test_fortran_order_is_undone() -> None:
    big = np.asfortranarray(np.arange(90_000).reshape(300, 300))
    data = values.encode(big)[1][0].data
    assert b"'fortran_order': False" in data[:128]
    np.testing.assert_array_equal(np.load(io.BytesIO(data), allow_pickle=False), big)


def test_tensors_are_arrays() -> None:
    torch = pytest.importorskip("torch")
    value = {"l": torch.ones(2, requires_grad=True), "b": torch.ones(1, dtype=torch.bfloat16)}
    assert values.encode(value)[0] == {"l": [1.0, 1.0], "b": [1.0]}


@dataclass
class Thing:
    x: int = 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, float("nan")]}, "$.a[1]"),
        ({"a": float("inf")}, "$.a"),
        ({"a": 2**53}, "$.a"),
        ({"a": 1j}, "$.a"),
        ({"a": "\ud800"}, "$.a"),
        ({1: 2}, "$"),
        ({"a": {1, 2}}, "$.a"),
        ({"a": Thing()}, "$.a"),
        ({"a": Decimal(1)}, "$.a"),
        ({"a": np.array([np.nan])}, "$.a[0]"),
        ({"a": np.array([1j])}, "$.a[0]"),
        ({"a": np.zeros(70_000, dtype=object)}, "$.a"),
    ],
)
def test_what_has_no_json_form_is_refused_with_its_place(value: object, path: str) -> None:
    with pytest.raises(NotCanonicalError) as caught:
        values.encode(value)
    assert caught.value.path == path


def test_depth_ends_even_in_a_loop() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(NotCanonicalError, match="64 levels"):
        values.encode(loop)


def test_pickled_arrays_are_not_opened() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Thing()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        values.decode({"$attachment": 0}, [Attachment(values.NPY, buffer.getvalue())])


def test_an_attachment_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not exist"):
        values.decode([{"$attachment": 1}], [Attachment(values.OCTETS, b"")])


def test_pairs_of_encoders_are_told_from_plain_values() -> None:
    item = Attachment(values.OCTETS, b"x")
    assert values.pair(({"a": 1}, [item])) == ({"a": 1}, [item])
    assert values.pair(({"a": 1}, [("application/octet-stream", b"x")])) == ({"a": 1}, [item])
    assert values.pair(({"a": 1}, [])) == ({"a": 1}, [])
    assert values.pair({"a": 1}) is None
    assert values.pair(([1], [2])) is None
    assert values.pair([{"a": 1}, []]) is None
