from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chimera_pipelines.contracts import bounded
from chimera_pipelines.contracts.schema import validate

_leaf = st.sampled_from([True, False, {}, {"type": "integer"}, {"type": "string"}])
_names = st.dictionaries(st.sampled_from("ab"), _leaf, max_size=2)
_flat = st.fixed_dictionaries(
    {},
    optional={
        "properties": _names,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$", "."]), _leaf, max_size=2),
        "additionalProperties": _leaf,
        "unevaluatedProperties": _leaf,
        "dependentSchemas": st.dictionaries(
            st.sampled_from("ab"), st.builds(lambda n: {"properties": n}, _names), max_size=1
        ),
        "if": st.builds(lambda n: {"properties": n}, _names),
        "then": st.builds(lambda n: {"properties": n}, _names),
        "else": st.builds(lambda n: {"properties": n}, _names),
    },
)
_schemas = st.builds(
    lambda own, **lists: {**own, **{k: v for k, v in lists.items() if v}},
    _flat,
    allOf=st.lists(_flat, max_size=2),
    anyOf=st.lists(_flat, max_size=2),
    oneOf=st.lists(_flat, max_size=2),
)


@given(_schemas, st.dictionaries(st.sampled_from(["a", "b", "ab", "c"]), st.sampled_from([1, "s"])))
def test_our_keywords_judge_as_the_librarys_do(schema, value):
    assert (validate(schema, value) == []) is Draft202012Validator(schema).is_valid(value)


def test_the_budget_grows_with_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "BASE_APPLICATIONS", 0)
    monkeypatch.setattr(bounded, "APPLICATIONS_PER_NODE", 2)
    schema = {"items": {"type": "integer"}}
    assert validate(schema, list(range(1000))) == []
    (problem,) = validate({"items": {"allOf": [{"type": "integer"}] * 3}}, list(range(1000)))
    assert "more subschemas" in problem.message


def test_a_value_that_nests_deeper_than_the_stack_is_refused_with_words() -> None:
    value: dict[str, object] = {}
    for _ in range(150):
        value = {"a": value}
    schema = {"properties": {"a": {"allOf": [{"allOf": [{"$ref": "#"}]}]}}}
    (problem,) = validate(schema, value)
    assert "too deeply" in problem.message
