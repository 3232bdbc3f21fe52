from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.digest import (
    MAX_DEPTH,
    NotCanonicalError,
    canonical,
    default_seed,
    digest,
    normalise,
    read_canonical,
    sha256,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "digests.json").read_bytes())
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("case", VECTORS["jcs"], ids=lambda case: case["name"])
def test_canonical_text(case):
    text = canonical(read_canonical(case["json"]))
    assert text.decode() == case["jcs"]
    assert sha256(text) == "sha256:" + case["sha256"]


@given(PLAIN)
def test_canonical_text_is_that_of_the_rfc8785_package(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_keys_are_ordered_by_utf_16():
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("case", VECTORS["reread"], ids=lambda case: case["jcs"])
def test_numbers_are_read_back(case):
    kind = {"integer": int, "double": float}[case["kind"]]
    assert type(read_canonical(case["jcs"])) is kind


def python_results():
    for case in VECTORS["refused"]:
        in_a_value = case["as"] == "python result, in a value" and "$blob" not in case["given"]
        if in_a_value or (case["as"] == "python result" and "list" not in case["name"]):
            yield case


@pytest.mark.parametrize(
    "case",
    [case for case in python_results() if case["given"] != "None"],
    ids=lambda case: case["given"],
)
def test_what_has_no_canonical_form_is_refused(case):
    given_value = eval(case["given"], {"__builtins__": {"float": float}})  # noqa: S307  our vectors
    with pytest.raises(NotCanonicalError):
        canonical({"x": given_value})


@pytest.mark.parametrize("group", ["input", "output"])
def test_records_and_outputs(group):
    for case in VECTORS[group]:
        record = case["record"] if group == "input" else case["value"]
        assert digest(record) == case["in" if group == "input" else "out"]
        assert group == "output" or canonical(record).decode() == case["jcs"]


@pytest.mark.parametrize("case", VECTORS["source"], ids=lambda case: case["name"])
def test_source(case):
    assert sha256(case["source"].encode()) == case["digest"]


@pytest.mark.parametrize("case", VECTORS["seed"], ids=lambda case: case["kernel"])
def test_default_seed(case):
    assert default_seed(case["id"], case["kernel"], case["partition"]) == case["seed"]


@given(PLAIN)
def test_canonical_text_is_a_fixed_point(value):
    text = canonical(value)
    assert canonical(read_canonical(text)) == text


def test_depth_is_limited():
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    canonical(value)
    with pytest.raises(NotCanonicalError, match="levels"):
        canonical([value])


def test_a_huge_integer_is_told_by_its_length():
    """Python refuses to write out more than 4,300 digits, with an error of its own."""
    with pytest.raises(NotCanonicalError, match="integer of 332193 bits is beyond"):
        normalise({"x": 10**100_000})
    with pytest.raises(NotCanonicalError, match="integer 9007199254740992 is beyond"):
        normalise(2**53)


def test_the_path_says_where_and_cuts_long_keys():
    with pytest.raises(NotCanonicalError) as caught:
        normalise({"rows": [1, {"x": {"k" * 2**20: math.nan}}]})
    assert caught.value.path == f"$.rows[1].x.{'k' * 80}"
