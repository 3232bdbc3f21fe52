from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.code_facts import inspect_block
from tests.maml.kernels import block, inspect


def names(parameters):
    return [parameter.name for parameter in parameters]


@pytest.mark.parametrize(
    ("source", "tables", "parameters"),
    [
        ("SELECT 1", [], []),
        ("SELECT * FROM t WHERE a < :lim AND b = :lim AND c = :seed", ["t"], ["lim", "seed"]),
        ("FROM t", ["t"], []),
        ("SELECT * FROM T JOIN u USING (x)", ["t", "u"], []),
        ("WITH a AS (SELECT * FROM t), b AS (SELECT * FROM a) SELECT * FROM b", ["t"], []),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", ["t"], []),
        ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", [], []),
        ("WITH b AS (SELECT * FROM a), a AS (SELECT 1) SELECT * FROM a", ["a"], []),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x", ["x"], []),
        ("SELECT * FROM range(3), generate_series(1, 2), unnest([1])", [], []),
        ("SELECT * FROM other(3)", ["other()"], []),
        ("SELECT * FROM 'file.csv'", ["file.csv"], []),
        ("SELECT * FROM information_schema.tables", ["information_schema.tables"], []),
        ("SELECT ':no', \":no\", x::INT /* :no */ FROM t -- :no", ["t"], []),
        ("SELECT :day FROM t", ["t"], ["day"]),
        ("SELECT $x, ? FROM t", ["t"], ["$x", "?"]),
        ("(SELECT 1) UNION SELECT a FROM t ORDER BY a;", ["t"], []),
        ("SELECT a FROM t WHERE EXISTS (FROM u)", ["t", "u"], []),
    ],
)
def test_tables_and_parameters(source, tables, parameters):
    facts, found = inspect("sql", source)
    assert found == []
    assert facts.entry == "select"
    assert (names(facts.tables), names(facts.parameters)) == (tables, parameters)


@pytest.mark.parametrize(
    "source",
    [
        "SELECT 1; SELECT 2",
        "SELECT x INTO y FROM t",
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "UPDATE t SET x = 1",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE t",
        "COPY t TO 'x'",
        "ATTACH 'x'",
        "PRAGMA database_list",
        "SET threads = 1",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "SELECT getenv('HOME')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('t')",
        "SELECT current_setting('x')",
        "SELECT * FROM read_csv('x')",
        "SELECT * FROM READ_PARQUET('x')",
        "SELECT * FROM read_text('x')",
        "SELECT * FROM parquet_metadata('x')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM pragma_table_info('x')",
        "SELECT * FROM sniff_csv('x')",
        "SELECT * FROM \"read_csv\"('x')",
        "SELECT * FROM t WHERE a = (SELECT b FROM read_json('x'))",
    ],
)
def test_refused_at_the_first_line(source):
    facts, found = inspect("sql", f"\n{source}")
    assert set(found) == {("MAML317", 1, 1)}
    assert not facts.parsed


def test_two_forbidden_functions_are_two_findings():
    _, found = inspect("sql", "SELECT getenv('a'), getenv('b'), current_setting('c')")
    assert found == [("MAML317", 1, 1)] * 2


@pytest.mark.parametrize(
    ("source", "line"), [("SELEC 1", 1), ("SELECT\n(1", 2), ("SELECT 'a", 1), ("SELECT 1 1", 1)]
)
def test_sql_that_does_not_parse(source, line):
    facts, found = inspect("sql", source)
    assert [place[:2] for place in found] == [("MAML314", line)]
    assert not facts.parsed


@pytest.mark.parametrize("source", ["", "-- nothing", ";"])
def test_no_statement(source):
    assert inspect("sql", source)[1] == [("MAML315", 0, 1)]


def test_depth_is_a_finding():
    _, found = inspect("sql", "SELECT " + "(" * 5000 + "1" + ")" * 5000)
    assert [code for code, _, _ in found] == ["MAML314"]


@given(st.text(st.sampled_from("SELECT FROMab:$?;()'\"\n-,*1"), max_size=40))
def test_any_text_is_read(source):
    _, found = inspect_block(block("sql", source))
    assert {d.code for d in found} <= {"MAML314", "MAML315", "MAML317"}
