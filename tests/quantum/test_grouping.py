from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.quantum.grouping import groups
from chimera_pipelines.quantum.observables import Observable


def conflict(left: str, right: str) -> bool:
    return any(a != b and "I" not in (a, b) for a, b in zip(left, right, strict=True))


def first_fit(strings: list[str]) -> list[list[str]]:
    """The rule of old, written from its definition."""
    found: list[list[str]] = []
    for string in strings:
        for group in found:
            if not any(conflict(string, other) for other in group):
                group.append(string)
                break
        else:
            found.append([string])
    return found


paulis = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.text("IXYZ", min_size=n, max_size=n), unique=True, max_size=40)
)


@settings(max_examples=200)
@given(paulis)
def test_members_of_a_group_agree_and_every_string_is_in_one(strings):
    found = groups(strings)
    assert sorted(itertools.chain.from_iterable(found)) == list(range(len(strings)))
    for group in found:
        for a, b in itertools.combinations(group, 2):
            assert not conflict(strings[a], strings[b])


@settings(max_examples=200)
@given(paulis)
def test_never_more_groups_than_in_the_order_written_and_the_same_ones_if_as_many(strings):
    old = first_fit(strings)
    found = groups(strings)
    assert len(found) <= len(old)
    if len(found) == len(old):
        assert [[strings[at] for at in group] for group in found] == old


def test_largest_first_saves_bases_of_random_terms():
    rng = random.Random(5)
    strings = list({"".join(rng.choices("IIXYZ", k=8)) for _ in range(300)})
    assert len(groups(strings)) < len(first_fit(strings))


def test_an_order_that_first_fit_gets_wrong_by_hand():
    """Two bases do: {XXII, IIXX → XX..} and the rest; first fit in this order needs three."""
    strings = ["XI", "IZ", "XX", "ZZ"]
    assert len(first_fit(strings)) == 3
    assert groups(strings) == ((0, 2), (1, 3))


@pytest.mark.parametrize("width", [63, 64, 65, 127])
def test_strings_wider_than_a_word(width):
    strings = [
        "X" + "I" * (width - 1),
        "Z" + "I" * (width - 1),
        "I" * (width - 1) + "Y",
        "Z" * width,
    ]
    assert groups(strings) == ((0, 2), (1, 3)) or len(groups(strings)) == 2


def test_no_strings_no_groups():
    assert groups([]) == ()
    assert Observable.from_json({"II": 1.0}, 2).bases() == ()


def test_bases_keep_each_term_with_its_mask_and_letters():
    bases = Observable.from_json({"XI": 1.0, "IZ": 2.0, "XX": 3.0, "ZZ": 4.0}, 2).bases()
    assert [b.terms for b in bases] == [((1.0, 2), (3.0, 3)), ((2.0, 1), (4.0, 3))]
    assert [b.from_x for b in bases] == [(0, 1), ()]
