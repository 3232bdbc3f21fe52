from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.lifecycle.duckdb_session import select


def test_parameters_and_tables() -> None:
    rows = [{"t": 1, "v": 0.5}, {"t": 2, "v": 1.5}, {"t": 3, "v": 4.0}]
    query = "SELECT sum(v) AS total, count(*) AS n FROM rows WHERE t <= :limit"
    assert select(query, {"rows": rows}, {"limit": 2}) == {"rows": [{"total": 2.0, "n": 2}]}


def test_colons_in_texts_comments_and_casts_are_no_parameters() -> None:
    query = (
        "SELECT 'at :noon' AS a, '7'::BIGINT AS b /* :c */ -- :d\n, \"x\" AS e FROM t WHERE x = :x"
    )
    assert select(query, {"t": [{"x": 1}]}, {"x": 1}) == {
        "rows": [{"a": "at :noon", "b": 7, "e": 1}]
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$$at :noon$$", "at :noon"),
        ("$tag$a $$ :b 'c$tag$", "a $$ :b 'c"),
        (r"E'it\'s :noon'", "it's :noon"),
        (r"e'\\'", "\\"),
        ("E'" + "''s :noon'", "'s :noon"),
        ("'\\'", "\\"),
        ("$$'$$", "'"),
    ],
)
def test_every_form_of_text_keeps_its_colons(text: str, value: str) -> None:
    query = f"SELECT {text} AS a, :x AS b, {text} AS c"
    assert select(query, {}, {"x": 1}) == {"rows": [{"a": value, "b": 1, "c": value}]}


def test_types_of_results() -> None:
    query = """SELECT DATE '2026-07-01' AS d, TIME '01:02:03' AS t,
        TIMESTAMP '2026-07-01 01:02:03' AS s,
        TIMESTAMPTZ '2026-07-01 03:02:03+02' AS z, 1.50::DECIMAL(4,2) AS m, 3::DECIMAL(4,0) AS w,
        [1, 2] AS l, {'a': 1.5::DOUBLE} AS o, NULL AS n, true AS b"""
    assert select(query, {}, {})["rows"] == [
        {
            "d": "2026-07-01",
            "t": "01:02:03",
            "s": "2026-07-01T01:02:03Z",
            "z": "2026-07-01T01:02:03Z",
            "m": 1.5,
            "w": 3,
            "l": [1, 2],
            "o": {"a": 1.5},
            "n": None,
            "b": True,
        }
    ]


def test_columns_in_order_of_first_appearance_and_missing_is_null() -> None:
    rows = [{"b": 1}, {"a": "x", "b": 2.5}]
    found = select("SELECT * FROM t", {"t": rows}, {})["rows"]
    assert [list(row) for row in found] == [["b", "a"], ["b", "a"]]
    assert found == [{"b": 1.0, "a": None}, {"b": 2.5, "a": "x"}]


@pytest.mark.parametrize(
    "rows", [[{"a": 1}, {"a": "x"}], [{"a": [1]}], [{"a": True}, {"a": 1}], [{"a": {"b": 1}}]]
)
def test_mixed_and_nested_columns_are_refused(rows: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="MAML505: column 'a' of table 't'"):
        select("SELECT * FROM t", {"t": rows}, {})


def test_doubled_column_is_refused() -> None:
    with pytest.raises(ValueError, match="MAML904: column 'a' stands twice"):
        select("SELECT 1 AS a, 2 AS a", {}, {})


def test_type_without_json_form_is_refused() -> None:
    with pytest.raises(ValueError, match="MAML904: column 'i' has a timedelta"):
        select("SELECT INTERVAL 1 DAY AS i", {}, {})


def test_files_stay_out_of_reach() -> None:
    with pytest.raises(ValueError, match="MAML901"):
        select("SELECT * FROM read_csv('/etc/passwd')", {}, {})


def test_configuration_is_locked() -> None:
    with pytest.raises(ValueError, match="MAML901"):
        select("SET enable_external_access = true", {}, {})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.integers(-(2**53) + 1, 2**53 - 1),
                "x": st.floats(allow_nan=False, allow_infinity=False),
                "s": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
                "b": st.booleans(),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_rows_come_back_as_they_went_in(rows: list[dict[str, object]]) -> None:
    assert select("SELECT * FROM t", {"t": rows}, {})["rows"] == rows
