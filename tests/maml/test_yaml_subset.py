from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.digest import MAX_INTEGER
from chimera_pipelines.maml.yaml_subset import BLOCK_DEPTH, load_mapping

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(text: str, **options):
    return load_mapping(text, first_line=1, **options)


@given(JSON)
def test_json_reads_as_itself(value):
    result = read(json.dumps(value), max_depth=64)
    assert result.ok
    assert not result.errors
    assert result.value == value
    assert type(result.value) is type(value)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"), ("012", "012"), ("2026-08-01", "2026-08-01"), ("True", "True"),
        ("12:30", "12:30"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("+1", "+1"), (".5", ".5"),
        (".inf", ".inf"), ("Null", "Null"),
    ],
)  # fmt: skip
def test_what_yaml_1_1_reads_otherwise_is_a_string_and_warned(scalar, value):
    result = read(f"a: {scalar}")
    assert result.value == {"a": value}
    assert [(p.kind, p.code, p.span.line, p.span.column) for p in result.problems] == [
        ("dialect", "MAML211", 1, 4)
    ]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [("1", 1), ("-0", 0), ("1e3", 1000.0), ("1.5", 1.5), ("true", True), ("null", None),
     ("~", None), ("", None), ("1.2.3", "1.2.3"), ("'yes'", "yes"), ('"012"', "012"), ("o", "o")],
)  # fmt: skip
def test_json_scalars_and_plain_strings(scalar, value):
    result = read(f"a: {scalar}")
    assert result.value == {"a": value}
    assert not result.problems


@pytest.mark.parametrize(
    ("text", "kind", "line", "column"),
    [
        ("a: b: c", "syntax", 1, 5),
        ("a: 1\na: 2", "duplicate", 2, 1),
        ('{"a": 1, a: 2}', "duplicate", 1, 10),
        ("a: &x 1", "feature", 1, 4),
        ("a: *x", "feature", 1, 4),
        ("a: !!int 1", "feature", 1, 4),
        ("a: {<<: {b: 1}}", "feature", 1, 5),
        ("&k a: 1", "feature", 1, 1),
        ("1: a", "key", 1, 1),
        ("true: a", "key", 1, 1),
        ("? [a]\n: b", "key", 1, 3),
        ("a: 9007199254740992", "number", 1, 4),
        ("a: [1, 1e999]", "number", 1, 8),
        ("a: 1\n--- \nb: 2", "syntax", 2, 1),
        ("a: \ufffe", "syntax", 1, 4),
    ],
)
def test_refused(text, kind, line, column):
    (problem,) = read(text).problems
    assert (problem.kind, problem.span.line, problem.span.column) == (kind, line, column)


def test_a_quoted_merge_sign_is_a_key():
    assert read('"<<": 1').value == {"<<": 1}


def test_what_stands_beside_a_refused_entry_is_read():
    result = read("[a]: {x: [1]}\nb: *n\nc: {d: 1}\ntrue: [2]\ne: 3")
    assert result.value == {"b": None, "c": {"d": 1}, "e": 3}
    assert result.unread == {("b",)}
    assert [p.kind for p in result.problems] == ["key", "feature", "key"]


def test_depth_counts_collections_and_skips_what_is_too_deep():
    fits = read("[" * 8 + "]" * 8, max_depth=8)
    assert fits.ok
    assert not fits.problems
    deep = read("a: [[x], 1]\nb: 2", max_depth=2)
    assert deep.value == {"a": [None, 1], "b": 2}
    assert deep.unread == {("a", 0)}
    assert [(p.kind, p.span.column) for p in deep.problems] == [("depth", 5)]


def test_places():
    result = load_mapping("a:\n  - x\n  - {b: 'q'}\n", first_line=10)
    assert result.places.keys["a",].line == 10
    assert (result.places.values["a", 0].line, result.places.values["a", 0].column) == (11, 5)
    span = result.places.values["a", 1, "b"]
    assert (span.line, span.column, span.end_column) == (12, 9, 12)
    assert result.places.values["a",].end_line == 12
    assert load_mapping("a: b", first_line=1, column0=3).places.values["a",].column == 6


def test_an_end_that_comes_too_early_is_placed_inside_the_block():
    (problem,) = load_mapping("a: 1\nb: [1,", first_line=5).problems
    assert problem.span.line == 6


def test_a_bomb_does_not_expand():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    result = read("\n".join(lines))
    assert result.errors
    assert len(json.dumps(result.value)) < 1000


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "? " * 200_000])
def test_endless_nesting_is_one_quick_problem(text):
    result = read(text)
    assert not result.ok
    assert len(result.problems) <= 2
    assert BLOCK_DEPTH == 16
