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
        ({"pattern": "^(?=a)(a+)+$", "default": "a" * 64 + "b"}, ("pattern",)),
        ({"pattern": r"^(a+)+\1$"}, ("pattern",)),
        ({"patternProperties": {"(?!a)": {}}}, ("patternProperties", "(?!a)")),
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
        {"format": "uuid", "pattern": r"^[a-z]+(?:\.[a-z]+)*$"},
        {"oneOf": [{"const": n} for n in range(5000)]},
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


def doubling(levels: int, **leaf: Any) -> dict[str, Any]:
    """A schema whose last definition judges a value 2^levels times."""
    names = [f"#/$defs/d{n + 1}" for n in range(levels)]
    defs: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": name}, {"$ref": name}]} for n, name in enumerate(names)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": leaf}}


def test_references_that_fan_out_are_refused_with_their_schema() -> None:
    assert check_schema(doubling(10, type="string")) == []
    (problem,) = check_schema(doubling(26, type="string"))
    assert "fan out" in problem.message
    assert problem.hint


@pytest.mark.parametrize("step", [1, -1])
def test_a_chain_of_references_has_an_end(step: int) -> None:
    chain = [(f"d{n}", {"$ref": f"#/$defs/d{n + 1}"}) for n in range(3000)][::step]
    problem, *_ = check_schema({"$defs": {**dict(chain), "d3000": {}}})
    assert "lead from one to the next" in problem.message


def test_references_that_fan_out_with_the_values_depth_are_given_up() -> None:
    again = {"properties": {"a": {"$ref": "#"}}}
    value: Any = {}
    for _ in range(60):
        value = {"a": value}
    schema = {"allOf": [again, again], "additionalProperties": {"type": "object"}}
    assert check_schema(schema) == []
    (problem,) = validate(schema, value)
    assert "more subschemas" in problem.message
    whole = {"$defs": {"d": again}, "properties": {"p": {"default": value, **schema}}}
    whole["properties"]["p"]["allOf"] = [{"properties": {"a": {"$ref": "#/properties/p"}}}] * 2
    (found,) = check_defaults(whole)
    assert found.path == ("properties", "p", "default")
    assert "more subschemas" in found.message


@pytest.mark.parametrize(
    ("schema", "value", "holds"),
    [
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, "aaaa", True),
        (
            {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
            "a" * 40 + "b",
            False,
        ),
        ({"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, "a" * 40, True),
        (
            {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
            "a" * 40 + "b",
            False,
        ),
        ({"allOf": [{"properties": {"x": {}}}], "unevaluatedProperties": False}, "x", True),
        ({"anyOf": [{"properties": {"x": False}}, {}], "unevaluatedProperties": False}, "x", False),
        (
            {
                "$ref": "#/$defs/x",
                "unevaluatedProperties": False,
                "$defs": {"x": {"properties": {"x": {}}}},
            },
            "x",
            True,
        ),
        (
            {
                "if": {"required": ["x"]},
                "then": {"properties": {"x": {}}},
                "unevaluatedProperties": False,
            },
            "x",
            True,
        ),
        (
            {
                "if": {"required": ["y"]},
                "then": {"properties": {"x": {}}},
                "unevaluatedProperties": False,
            },
            "x",
            False,
        ),
        (
            {"dependentSchemas": {"x": {"properties": {"x": {}}}}, "unevaluatedProperties": False},
            "x",
            True,
        ),
        ({"unevaluatedProperties": {"type": "null"}}, "x", False),
    ],
)
def test_names_of_properties_are_judged_in_linear_time(
    schema: Any, value: str, holds: bool
) -> None:
    assert check_schema(schema) == []
    assert (validate(schema, {value: 1}) == []) is holds
