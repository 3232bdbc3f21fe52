from __future__ import annotations

import pytest
import yaml

from chimera_pipelines.maml.yaml_builder import Builder, read_number
from chimera_pipelines.maml.yaml_subset import load_mapping


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9007199254740991", 2**53 - 1),
        ("-9007199254740991", 1 - 2**53),
        ("9007199254740992", None),
        ("1" * 5000, None),
        ("9007199254740993.0", 9007199254740992.0),
        ("1e308", 1e308),
        ("1e309", None),
        ("-0.0", 0.0),
    ],
)
def test_numbers(text, number):
    assert read_number(text) == number


def test_any_loaders_events_build_the_same():
    text = "a: [1, {b: 'x'}]\nc:\n  - ~\n  - {d: [e]}\n"
    built = []
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        builder = Builder(1, 1, 8, "front")
        for event in yaml.parse(text, Loader=loader):
            builder.read(event)
        built.append((builder.value, builder.keys, builder.values))
    assert built[0] == built[1]
    assert built[0][0] == {"a": [1, {"b": "x"}], "c": [None, {"d": ["e"]}]}


def test_a_long_scalar_is_cut_in_the_message():
    result = load_mapping(f"x: 0x{'f' * 5000}", first_line=1, max_depth=8, dialect="front")
    (problem,) = result.problems
    assert problem.kind == "dialect"
    assert len(problem.message) < 100
