from __future__ import annotations

from typing import Any

from chimera_pipelines.contracts.subschemas import applied_in_place, root, walk

SCHEMA: dict[str, Any] = {
    "properties": {"a": {"items": {"type": "null"}}, "enum": True},
    "enum": [{"properties": {"not": {}}}],
    "allOf": [{"$ref": "#/$defs/d"}],
    "$defs": {"d": {"$anchor": "here", "type": "object"}},
}


def test_the_walk_visits_schemas_and_not_values() -> None:
    paths = [place.path for place in walk(root(SCHEMA))]
    assert paths == [
        (),
        ("properties", "a"),
        ("properties", "a", "items"),
        ("properties", "enum"),
        ("allOf", 0),
        ("$defs", "d"),
    ]


def test_references_stay_inside_the_schema() -> None:
    whole = root(SCHEMA)
    target = whole.target("#/$defs/d")
    assert target is not None
    assert target.schema is SCHEMA["$defs"]["d"]
    assert whole.target("#here") is not None
    assert whole.target("#/$defs/e") is None
    assert whole.target("https://json-schema.org/draft/2020-12/schema") is None
    assert whole.target("#/enum") is None


def test_in_place_applicators_are_references_and_combinations() -> None:
    (combined,) = applied_in_place(root(SCHEMA))
    (referred,) = applied_in_place(combined)
    assert referred.path == ("allOf", 0, "$ref")
    assert referred.schema is SCHEMA["$defs"]["d"]
