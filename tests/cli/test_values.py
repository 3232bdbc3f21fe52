from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.cli import values
from chimera_pipelines.errors import UsageError


def test_json_if_it_parses_else_text():
    given = ["n=2", "x=1.5", "s=hello", 'q="2"', "l=[1, 2]", "e=", "a=b=c", "nan=NaN"]
    assert values.run_inputs(given, None) == {
        "n": 2,
        "x": 1.5,
        "s": "hello",
        "q": "2",
        "l": [1, 2],
        "e": "",
        "a": "b=c",
        "nan": "NaN",
    }


@pytest.mark.parametrize("text", ["theta", "=3", ""])
def test_no_name_or_no_value_is_usage(text):
    with pytest.raises(UsageError) as raised:
        values.run_inputs([text], None)
    assert raised.value.code == "CHIM207"


def test_arguments_win_over_the_file(tmp_path):
    file = tmp_path / "inputs.json"
    file.write_text('{"a": 1, "b": 2}')
    assert values.run_inputs(["b=3"], file) == {"a": 1, "b": 3}


@pytest.mark.parametrize("text", ["[1]", "{", "NaN"])
def test_a_file_without_an_object_is_usage(tmp_path, text):
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        values.run_inputs(None, file)
    assert raised.value.code == "CHIM207"


def test_a_missing_file_is_usage(tmp_path):
    with pytest.raises(UsageError) as raised:
        values.run_inputs(None, tmp_path / "none.json")
    assert raised.value.code == "CHIM202"


@given(st.integers(0, 2**60))
def test_sizes_are_short(count):
    assert len(values.size(count)) <= 14


def test_sizes():
    assert [values.size(n) for n in (0, 1023, 1024, 34 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "34.0 GiB",
    ]


def test_table_columns_line_up():
    assert values.table(("a", "bb"), [("long", "x"), ("s", "yy")]) == [
        "a     bb",
        "long  x",
        "s     yy",
    ]
