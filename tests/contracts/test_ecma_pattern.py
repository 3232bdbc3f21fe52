from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.contracts.ecma_pattern import (
    PatternSyntaxError,
    compile_pattern,
    searcher,
    translate,
)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        (r"^\d$", "٣", False),
        (r"^\w$", "é", False),
        (r"^\s$", "\ufeff", True),
        (r"^\S$", "\u3000", False),
        ("^.$", "\r", False),
        ("^.$", "\u2028", False),
        ("^[^]$", "\n", True),
        ("[]", "a", False),
        (r"^[\d\s]+$", "1 2", True),
        (r"^[\D]$", "1", False),
        (r"^[\W]$", "-", True),
        (r"^[[&&~~]$", "&", True),
        (r"^\u0041\x42\u{1F600}$", "AB😀", True),
        (r"^\/\-$", "/-", True),
        ("^(?<q>a)b$", "ab", True),
        ("a--b", "a--b", True),
        (r"^é\B\u{62}", "éb", False),
        (r"^a\Bb", "ab", True),
        (r"\bé", "aé", True),
        (r"^[$.]$", "$", True),
        (r"\0", "\x00", True),
        (r"^[\s\S]$", "\n", True),
        (r"^[\S]$", "\u3000", False),
        ("^[+--]$", ",", True),
        ("^[--/]$", ".", True),
        ("^[^--/]$", ".", False),
        ("a{2}", "aa", True),
    ],
)
def test_patterns_mean_what_ecma_says(pattern: str, text: str, found: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) is found
    assert searcher(pattern)(text) is found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("^(?=a)(a+)+$", "look-around"),
        (r"^(?!.*\.\.)[a-z.]+$", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"^(?<q>['\"]).*\k<q>$", "back reference"),
        (r"^(a)\1$", "back reference"),
    ],
)
def test_what_takes_exponential_time_is_a_pattern_but_not_searched(text: str, reason: str) -> None:
    compile_pattern(text)
    with pytest.raises(PatternSyntaxError, match=reason) as caught:
        searcher(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", [r"\Z", r"\A", "(?i)a", "(?P<a>b)", "(?>a)", "a*+", "{", "a{x}"])
def test_what_ecma_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(PatternSyntaxError):
        compile_pattern(text)


def test_a_repeat_that_would_need_the_whole_memory_is_refused() -> None:
    with pytest.raises(PatternSyntaxError, match="65535"):
        compile_pattern("a{99999}")


@given(st.text(max_size=12))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compile_pattern(text)
    except PatternSyntaxError:
        return
    re.compile(translate(text))


@given(st.text(max_size=8))
def test_an_escaped_text_finds_itself_whole(text: str) -> None:
    written = "".join(f"\\u{{{ord(c):x}}}" for c in text)
    assert compile_pattern(f"^{written}$").fullmatch(text)


_parts = st.sampled_from(
    [
        *(
            "a",
            "b",
            ".",
            "^",
            "$",
            r"\d",
            r"\W",
            r"\s",
            r"\b",
            r"\B",
            "[ab]",
            "[^a]",
            r"[\W]",
            "[+--]",
        ),
        *("[]", "[^]", "(?:", ")", "|", "*", "+?", "{1,2}", "(?=a)", r"[\D-]", r"\u{62}", "é", " "),
    ]
)


@given(st.lists(_parts, max_size=6).map("".join), st.text("ab1- +\nAéٳ\u2028_", max_size=6))
def test_both_engines_agree(pattern: str, text: str) -> None:
    try:
        compiled = compile_pattern(pattern)
        search = searcher(pattern)
    except PatternSyntaxError:
        return
    assert search(text) is (compiled.search(text) is not None)


def test_a_search_that_would_take_ages_in_python_ends() -> None:
    assert not searcher("^(a+)+$")("a" * 5000 + "b")
    assert not searcher(r"^(\w+\s?)*$")("word " * 1000 + "!")


@pytest.mark.parametrize("letter", ["d", "w", "s"])
def test_a_shorthand_and_its_negation_split_all_characters(letter: str) -> None:
    inside, outside = (compile_pattern(f"[\\{c}]").search for c in (letter, letter.upper()))
    for point in [*range(0x3100), *range(0xFE00, 0x10100), 0x10FFFF]:
        assert (inside(chr(point)) is None) is (outside(chr(point)) is not None)
