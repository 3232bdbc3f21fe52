from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.contracts.schema import may_meet, property_declared, validate

ROWS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        "pair": {"prefixItems": [{"type": "string"}, {"type": "null"}], "items": False},
        "free": {},
        "map": {"type": "object"},
        "open": {"properties": {"x": {}}, "additionalProperties": {"type": "number"}},
        "never": False,
    },
    "patternProperties": {"^q_": {"type": "number"}},
    "$defs": {"row": {"properties": {"x": {"type": "number"}}}},
}


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        ((), True),
        (("rows",), True),
        (("rows", 3, "x"), True),
        (("rows", 3, "y"), False),
        (("rows", "x"), False),
        (("pair", 1), True),
        (("pair", 2), False),
        (("free", "x"), None),
        (("map", "x"), None),
        (("open", "x"), True),
        (("open", "y"), None),
        (("never",), False),
        (("q_1",), True),
        (("z",), False),
        ((0,), False),
    ],
)
def test_paths_into_one_schema(path: tuple[Any, ...], declared: bool | None) -> None:
    assert property_declared(ROWS, path) is declared


@pytest.mark.parametrize(
    ("schema", "declared"),
    [
        ({"type": "object"}, False),
        ({}, False),
        ({"additionalProperties": True}, None),
        ({"allOf": [{"properties": {"x": {}}}, {"properties": {"y": {}}}]}, True),
        ({"allOf": [{"required": ["x"]}, {"properties": {"y": {}}}]}, False),
        ({"oneOf": [{"properties": {"x": {}}}, {"properties": {"y": {}}}]}, True),
        ({"anyOf": [{"properties": {"z": {}}}, {"properties": {"y": {}}}]}, False),
        ({"anyOf": [{"properties": {"z": {}}}, True]}, False),
        (
            {
                "properties": {"y": {}},
                "$ref": "#/$defs/a",
                "$defs": {"a": {"properties": {"x": {}}}},
            },
            True,
        ),
        ({"if": True, "then": {"properties": {"x": {}}}}, True),
        ({"type": ["object", "null"], "properties": {"x": {}}}, True),
        ({"type": "array", "properties": {"x": {}}}, False),
    ],
)
def test_a_name_may_be_declared_anywhere_that_applies(schema: Any, declared: bool | None) -> None:
    assert property_declared(schema, ("x",)) is declared


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "integer"}, {"type": "string"}, False),
        ({"type": ["null", "string"]}, {"type": ["null", "array"]}, True),
        ({"enum": [1, 2]}, {"const": 2}, True),
        ({"enum": [1, 2]}, {"const": 3}, False),
        ({"enum": [1.5, "a"]}, {"type": "integer"}, False),
        ({"const": 1.0}, {"type": "integer"}, True),
        ({"const": True}, {"const": 1}, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "null"}, True),
        ({"oneOf": [{"type": "string"}, {"const": 3}]}, {"type": "array"}, False),
        (
            {"allOf": [{"type": ["string", "null"]}, {"type": ["null", "array"]}]},
            {"type": "string"},
            False,
        ),
        ({"$ref": "#/$defs/s", "$defs": {"s": {"type": "string"}}}, {"type": "number"}, False),
        ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": False}, True),
        ({}, {"type": "string"}, True),
        (False, True, False),
    ],
)
def test_types_meet_unless_certainly_disjoint(a: Any, b: Any, meet: bool) -> None:
    assert may_meet(a, b) is meet
    assert may_meet(b, a) is meet


def test_types_meet_below_a_path() -> None:
    consumer = {"properties": {"v": {"type": "string"}}}
    assert not may_meet(ROWS, consumer, ("rows", 0, "x"), ("v",))
    assert may_meet(ROWS, consumer, ("pair", 0), ("v",))
    assert may_meet(ROWS, consumer, ("free",), ("v",))


_values = st.sampled_from([None, True, 0, 1, 1.5, "", "a", [], [1], {}, {"x": 1}])
_names = st.sampled_from(["null", "boolean", "object", "array", "string", "integer", "number"])
_schemas = st.recursive(
    st.one_of(
        st.booleans(),
        st.builds(lambda t: {"type": t}, _names),
        st.builds(lambda t: {"type": t}, st.lists(_names, min_size=1, max_size=3, unique=True)),
        st.builds(lambda v: {"const": v}, _values),
        st.builds(lambda v: {"enum": v}, st.lists(_values, min_size=1, max_size=3)),
    ),
    lambda below: st.builds(
        lambda keyword, schemas: {keyword: schemas},
        st.sampled_from(["allOf", "anyOf", "oneOf"]),
        st.lists(below, min_size=1, max_size=3),
    ),
    max_leaves=4,
)


@given(_schemas, _schemas, _values)
def test_a_value_valid_for_both_is_never_denied(a: Any, b: Any, value: Any) -> None:
    if not validate(a, value) and not validate(b, value):
        assert may_meet(a, b)


def test_a_path_through_a_schema_that_doubles_at_each_step_is_followed_once() -> None:
    again = {"properties": {"a": {"$ref": "#"}}}
    assert property_declared({"allOf": [again, again]}, ["a"] * 60)
