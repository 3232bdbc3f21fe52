from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY

from chimera_pipelines.contracts.keywords import _ALLOWED, plainly_valid

METASCHEMA = Draft202012Validator(Draft202012Validator.META_SCHEMA)

_plain = st.sampled_from(
    [None, True, 0, 1, -1, 1.0, 0.5, "a", "string", "float", "", "#x", [], ["a", "a"], ["a", 1], {}]
)
_values = st.recursive(
    _plain,
    lambda below: st.one_of(
        st.lists(below, max_size=2),
        st.dictionaries(st.sampled_from(sorted(_ALLOWED)), below, max_size=2),
        st.dictionaries(st.sampled_from(["a", "b"]), below, max_size=2),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(_ALLOWED)), _values, max_size=3))
@settings(max_examples=300)
def test_the_table_never_accepts_what_the_metaschema_refuses(schema: dict[str, Any]) -> None:
    if plainly_valid(schema):
        assert METASCHEMA.is_valid(schema)


VALUES: list[Any] = [
    *(True, 0, 1, "a", "string", None, [], ["a"], ["string"], [{}], {}, {"a": {}}, {"a": ["b"]}),
]
LEFT = {"$id", "$vocabulary", "dependencies", "$recursiveAnchor", "$recursiveRef"}


@pytest.mark.parametrize("keyword", sorted(set(_ALLOWED) - LEFT))
def test_the_table_accepts_ordinary_values(keyword: str) -> None:
    schemas = [{keyword: value} for value in VALUES]
    assert [s for s in schemas if plainly_valid(s)] == [
        s for s in schemas if METASCHEMA.is_valid(s)
    ]


def test_every_keyword_of_the_metaschema_is_in_the_table() -> None:
    known: set[str] = set(METASCHEMA.schema["properties"])
    for part in METASCHEMA.schema["allOf"]:
        uri = f"https://json-schema.org/draft/2020-12/{part['$ref']}"
        known |= set(REGISTRY.contents(uri)["properties"])
    assert known == set(_ALLOWED)
