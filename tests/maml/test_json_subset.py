from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.json_subset import load_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_reads_what_json_reads(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    result = load_json(text, first_line=1)
    assert result.ok
    assert result.value == json.loads(text)


def line_of_refusal(text):
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return [error.lineno]
    return []


@given(st.text('{}[]:,"\\ \n1.e-tunlrfasbN/x', max_size=14))
def test_refuses_what_json_refuses_at_the_same_place(text):
    result = load_json(text, first_line=1)
    refused = [p.span.line for p in result.problems if p.kind == "syntax"]
    assert refused == line_of_refusal(text)


@pytest.mark.parametrize(
    ("text", "kind", "line", "column"),
    [
        ('{"type": "object",}', "syntax", 1, 19),
        ('{"a": 1,\n "a": 2}', "duplicate", 2, 2),
        ('{"a": NaN}', "number", 1, 7),
        ('{"a": -Infinity}', "number", 1, 7),
        ('{"a": 1e999}', "number", 1, 7),
        ('{"a": 1} // x', "syntax", 1, 10),
        ('/* x */ {"a": 1}', "syntax", 1, 1),
        ('{"a": "\\ud800"}', "text", 1, 7),
        ('{"a": 01}', "syntax", 1, 8),
        ("{'a': 1}", "syntax", 1, 2),
        ("", "syntax", 1, 1),
        ("[" * 65 + "]" * 65, "syntax", 1, 65),
    ],
)
def test_refused(text, kind, line, column):
    (problem,) = load_json(text, first_line=1).problems
    assert (problem.kind, problem.span.line, problem.span.column) == (kind, line, column)
    assert problem.diagnostic().code == "MAML501"


def test_places():
    result = load_json('{"a":\n  [1, {"b": "x"}]}', first_line=7)
    assert (result.places.keys["a",].line, result.places.keys["a",].column) == (7, 2)
    span = result.places.values["a", 1, "b"]
    assert (span.line, span.column, span.end_column) == (8, 13, 16)
    assert result.places.values[()].end_line == 8


def test_a_key_twice_keeps_the_first_value():
    assert load_json('{"a": 1, "a": [2]}', first_line=1).value == {"a": 1}
