from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chimera_pipelines
from chimera_pipelines.contracts.permissions import (
    PatternError,
    may_execute,
    may_read,
    parse_pattern,
    permitted,
)


@pytest.mark.parametrize(
    ("pattern", "uri"),
    [
        ("agent://lab/ana", "agent://lab/ana"),
        ("agent://lab/*", "agent://lab/ana"),
        ("agent://*/ana", "agent://lab/ana"),
        ("dataset://lab/in-*", "dataset://lab/in-7"),
        ("dataset://lab/*-*.csv", "dataset://lab/a-b-c.csv"),
        ("dataset://lab/**", "dataset://lab/a"),
        ("dataset://lab/**", "dataset://lab/a/b/c"),
        ("dataset://**", "dataset://lab"),
        ("role://public", "role://public"),
        ("dataset://lab/a%20b", "dataset://lab/a%20b"),
    ],
)
def test_matches(pattern: str, uri: str) -> None:
    assert parse_pattern(pattern).matches(uri)


@pytest.mark.parametrize(
    ("pattern", "uri"),
    [
        ("agent://lab/ana", "agent://lab/Ana"),
        ("agent://lab/ana", "user://lab/ana"),
        ("agent://lab/*", "agent://lab/a/b"),
        ("agent://lab/*", "agent://lab"),
        ("dataset://lab/**", "dataset://lab"),
        ("dataset://lab/ab*ba", "dataset://lab/aba"),
        ("dataset://lab/**", "dataset://lab/../secret"),
        ("dataset://lab/**", "dataset://lab/./a"),
        ("dataset://lab/**", "dataset://lab/%2e%2e/secret"),
        ("dataset://lab/**", "dataset://lab/a%2Fb"),
        ("dataset://lab/**", "dataset://lab/a?x=1"),
        ("dataset://lab/**", "dataset://lab/a#f"),
        ("dataset://lab/**", "dataset://lab//a"),
        ("dataset://lab/**", "dataset://lab/a/"),
        ("dataset://lab/**", "dataset://lab/a\n"),
        ("dataset://lab/*", "dataset://lab/é"),
        ("dataset://lab/*", "dataset://lab/*"),
    ],
)
def test_does_not_match(pattern: str, uri: str) -> None:
    assert not parse_pattern(pattern).matches(uri)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("*://lab", "literal"),
        ("gateway://lab/**/x", "last segment"),
        ("gateway://lab/a**", "last segment"),
        ("gateway://lab/***", "last segment"),
        ("dataset://lab//x", "empty"),
        ("dataset://", "empty"),
        ("dataset://lab/", "empty"),
        ("lab", "scheme"),
        ("dataset://lab/a b", "character"),
        ("dataset://lab/a\n", "character"),
    ],
)
def test_bad_patterns_say_which_rule_they_break(text: str, says: str) -> None:
    with pytest.raises(PatternError, match=re.escape(says)) as caught:
        parse_pattern(text)
    assert caught.value.code == "MAML703"
    assert not permitted([text], text)


@given(st.text(alphabet="ab*/:.%-", max_size=12).map("x://".__add__))
def test_patterns_are_those_of_the_front_matter_schema(text: str) -> None:
    folder = Path(chimera_pipelines.__file__).parent / "maml" / "schemas"
    schema = json.loads((folder / "maml-frontmatter.kernels-1.schema.json").read_text())
    wanted = re.compile(schema["$defs"]["patterns"]["items"]["pattern"].removesuffix("$") + r"\Z")
    try:
        parse_pattern(text)
    except PatternError:
        assert not wanted.match(text)
    else:
        assert wanted.match(text)


@given(
    st.text(alphabet="ab*", min_size=1, max_size=8).filter(lambda t: "**" not in t),
    st.text(alphabet="ab", min_size=1, max_size=10),
)
def test_a_star_is_part_of_one_segment(segment: str, name: str) -> None:
    wanted = re.compile(segment.replace("*", "[^/]*") + r"\Z")
    assert parse_pattern(f"x://{segment}").matches(f"x://{name}") == bool(wanted.match(name))


@pytest.mark.parametrize(
    ("execute", "allowed"),
    [
        ([], False),
        (["gateway://local/default"], True),
        (["gateway://other/*"], False),
        (["gateway://unset"], False),
        (["user://local/ana"], True),
        (["user://local/bob"], False),
        (["user://local/*", "gateway://local/*"], True),
        (["user://local/bob", "gateway://local/*"], False),
        (["user://local/ana", "gateway://other/x"], False),
        (["gateway://local/**/x"], False),
        (["user://local/ana", "gateway://local/**/x"], False),
        (["dataset://local/ana"], False),
    ],
)
def test_execute_must_match_who_starts_and_who_serves(execute: list[str], allowed: bool) -> None:
    assert may_execute(execute, "user://local/ana", "gateway://local/default") is allowed


def test_no_gateway_answers_to_unset() -> None:
    assert not may_execute(["gateway://unset"], "user://local/ana", "gateway://unset")


def test_a_document_is_read_by_its_name_without_the_kernel() -> None:
    assert may_read(["document://h2_vqe"], "document://h2_vqe#report.energy")
    assert not may_read(["document://other"], "document://h2_vqe#report.energy")
    assert not may_read(["dataset://lab/*"], "dataset://lab/a#b")
