from __future__ import annotations

from typing import Any

import pytest

from chimera_pipelines.contracts.schema import (
    apply_defaults,
    check_defaults,
    check_schema,
    validate,
)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"x": {"type": "float"}}}, ("properties", "x", "type")),
        ({"properties": {"x": {"type": ["null", "str"]}}}, ("properties", "x", "type", 1)),
        ({"type": []}, ("type",)),
        ({"type": 3}, ("type",)),
        ({"properties": []}, ("properties",)),
        ({"properties": {"type": 3}}, ("properties", "type")),
        ({"minimum": "3"}, ("minimum",)),
        ({"required": ["a", "a"]}, ("required",)),
        ({"anyOf": [{"maxItems": -1}]}, ("anyOf", 0, "maxItems")),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",)),
        ({"$ref": "https://schemas.invalid/x.json"}, ("$ref",)),
        ({"$ref": "other.json#/x"}, ("$ref",)),
        ({"properties": {"x": {"$ref": "#/$defs/gone"}}}, ("properties", "x", "$ref")),
        ({"$ref": "#"}, ("$ref",)),
        ({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, ("$defs", "a", "allOf", 0, "$ref")),
        ({"items": {"format": "phone"}}, ("items", "format")),
        ({"format": "ipv4"}, ("format",)),
        ({"pattern": "("}, ("pattern",)),
        ({"pattern": "(?P<a>x)"}, ("pattern",)),
        ({"patternProperties": {"[": {}}}, ("patternProperties", "[")),
        ("string", ()),
        (None, ()),
    ],
)
def test_what_is_no_schema_is_located_at_the_value(schema: Any, path: tuple[Any, ...]) -> None:
    assert [problem.path for problem in check_schema(schema)] == [path]


def test_a_python_type_name_is_answered_with_the_right_one() -> None:
    (problem,) = check_schema({"type": "float"})
    assert problem.message == "'float' is no JSON Schema type"
    assert problem.hint == "write 'number'"


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"next": {"$ref": "#"}}},
        {"$defs": {"a": {"$anchor": "here", "type": "string"}}, "items": {"$ref": "#here"}},
        {"enum": [{"$ref": "https://not.a/ref", "format": "phone"}], "default": {"type": "float"}},
        {"properties": {"$ref": {"type": "string"}, "format": {"type": "string"}}},
        {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "null"}}},
        {"format": "uuid", "pattern": r"^(?!.*\.\.)[a-z]+$"},
    ],
)
def test_schemas_of_the_profile_are_accepted(schema: Any) -> None:
    assert check_schema(schema) == []


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "2"]}, ("a", 1)),
        ({"type": "integer"}, 1.5, ()),
        ({"type": "integer"}, True, ()),
        ({"pattern": "^a$"}, "a\n", ()),
        ({"pattern": r"^\d$"}, "٣", ()),
        ({"format": "date"}, "2026-02-29", ()),
        ({"patternProperties": {"^a$": {"type": "null"}}}, {"a": 1}, ("a",)),
        ({"patternProperties": {"^a$": {}}, "additionalProperties": False}, {"a\n": 1}, ()),
        ({"patternProperties": {"^a$": {}}, "unevaluatedProperties": False}, {"a\n": 1}, ()),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "null"}}}, 0, ()),
    ],
)
def test_values_that_break_a_schema_are_located(
    schema: Any, value: Any, path: tuple[Any, ...]
) -> None:
    assert [problem.path for problem in validate(schema, value)] == [path]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"type": "number"}, 1),
        ({"format": "date"}, 20260229),
        ({"patternProperties": {"^a$": {"type": "null"}}}, {"a": None, "a\n": 1}),
        ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, {"next": {"next": {}}}),
        (True, {"anything": 1}),
    ],
)
def test_values_that_hold(schema: Any, value: Any) -> None:
    assert validate(schema, value) == []


def test_a_long_list_of_faults_and_a_long_message_stay_short() -> None:
    problems = validate({"items": {"type": "string"}}, list(range(10_000)))
    assert len(problems) == 20
    (long,) = validate({"type": "string"}, list(range(10_000)))
    assert len(long.message) < 300


def test_defaults_fill_absent_names_of_the_top_level_only() -> None:
    schema: Any = {
        "properties": {
            "a": {"default": [1]},
            "b": {"default": 2},
            "c": {"properties": {"d": {"default": 3}}},
            "e": True,
        }
    }
    given: dict[str, Any] = {"b": None, "c": {}}
    filled = apply_defaults(schema, given)
    assert filled == {"a": [1], "b": None, "c": {}}
    assert given == {"b": None, "c": {}}
    filled["a"].append(2)  # type: ignore[union-attr]
    assert apply_defaults(schema, {})["a"] == [1]


def test_defaults_must_be_valid_where_they_stand() -> None:
    schema: Any = {
        "properties": {
            "n": {"type": "integer", "default": "3"},
            "ok": {"type": "integer", "default": 3},
            "ref": {"$ref": "#/$defs/s", "default": 1},
            "deep": {"properties": {"x": {"type": "null", "default": 1}}},
        },
        "$defs": {"s": {"type": "string"}},
    }
    paths = {problem.path for problem in check_defaults(schema)}
    assert paths == {("properties", "n", "default"), ("properties", "ref", "default")}


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 1.0], False),
        ([1, True, "1", None], True),
        ([{"a": 1, "b": [0]}, {"b": [False], "a": 1}], True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], False),
        ([[{"n": n}] for n in range(100_000)], True),  # pair by pair: 5e9 comparisons
    ],
)
def test_unique_items_are_told_by_their_json(items, unique):
    assert (validate({"type": "array", "uniqueItems": True}, items) == []) is unique
