from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.references import (
    Parsed,
    ReferenceSyntaxError,
    is_reference,
    literal,
    parse,
    scalars,
)

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
STEPS = st.lists(NAMES | st.integers(0, 10**6), max_size=5).map(tuple)


@given(NAMES.filter(lambda name: name not in ("input", "context", "partition")), STEPS)
def test_round_trip(root, path):
    assert parse(str(Parsed(root, path))) == Parsed(root, path)


@given(st.text())
def test_only_what_is_written_back_is_a_reference(text):
    try:
        found = parse(text)
    except ReferenceSyntaxError:
        return
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("$a", "a", ()),
        ("$a.b", "a", ("b",)),
        ("$a[0].b[12]", "a", (0, "b", 12)),
        ("$input.x", "input", ("x",)),
        ("$context.x[1]", "context", ("x", 1)),
        ("$partition", "partition", ()),
    ],
)
def test_forms(text, root, path):
    assert parse(text) == Parsed(root, path)


@pytest.mark.parametrize(
    "text",
    [
        "$",
        "$5",
        "$a-b",
        "$a.",
        "$a..b",
        "$a[01]",
        "$a[-1]",
        "$a[x]",
        "$a b",
        "$a.b\n",
        "${a}",
        "$.a",
        "$input",
        "$input[0]",
        "$context",
        "$partition.x",
        "$partition[0]",
        "$é",
        "$a" + ".b" * 5000,
    ],
)
def test_refused(text):
    with pytest.raises(ReferenceSyntaxError):
        parse(text)


def test_a_doubled_dollar_is_a_literal():
    assert not is_reference("$$5")
    assert literal("$$5") == "$5"
    assert literal("5$") == "5$"


def test_scalars_come_in_the_order_of_the_text():
    inputs = {"a": ["$x", {"b": "$y.z", "c": "$$no", "d": 1}], "e": "$w", "f": "a $x"}
    assert list(scalars(inputs)) == [
        (("a", 0), "$x"),
        (("a", 1, "b"), "$y.z"),
        (("e",), "$w"),
    ]
