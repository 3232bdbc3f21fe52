"""A sql block, run inside the sandbox: one SELECT over tables made of JSON rows (MAML.md §4, sql).

Columns are in order of first appearance, missing values are NULL; integers become BIGINT, numbers
DOUBLE, booleans and strings themselves. A column of mixed or nested values is MAML505. Results:
DATE and TIME as ISO text, TIMESTAMP as UTC with `Z`, DECIMAL as number, LIST and STRUCT as JSON;
other types and doubled column names are MAML904.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from chimera_pipelines.maml.sql_parameters import with_dollars

_TYPES: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}


def select(
    query: str, tables: Mapping[str, Sequence[Mapping[str, Any]]], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Rows of the query as `{"rows": [{column: value}]}`.

    Raises:
        ValueError: its message begins with MAML505 (a column), MAML901 (DuckDB's own error) or
            MAML904 (a result without JSON form).
    """
    import duckdb

    database = duckdb.connect(":memory:", config={"threads": 1})
    database.execute("SET enable_external_access = false")
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET autoload_known_extensions = false")
    database.execute("SET TimeZone = 'UTC'")
    for name, rows in tables.items():
        _create(database, name, rows)
    database.execute("SET lock_configuration = true")
    text, names = with_dollars(query)
    try:
        cursor = database.execute(text, {name: parameters[name] for name in names})
        columns = [column[0] for column in cursor.description]
        found = cursor.fetchall()
    except duckdb.Error as error:
        raise ValueError(f"MAML901: {type(error).__name__}: {_first_line(error)}") from None
    return {"rows": _rows(columns, found)}


def _create(database: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        database.execute(f'CREATE TABLE "{name}" (empty BOOLEAN)')
        return
    types = [_type(name, column, rows) for column in columns]
    quoted = ", ".join(
        f'"{column.replace(chr(34), chr(34) * 2)}" {kind}'
        for column, kind in zip(columns, types, strict=True)
    )
    database.execute(f'CREATE TABLE "{name}" ({quoted})')
    holes = ", ".join("?" for _ in columns)
    values = [[row.get(column) for column in columns] for row in rows]
    if values:
        database.executemany(f'INSERT INTO "{name}" VALUES ({holes})', values)  # noqa: S608


def _type(table: str, column: str, rows: Sequence[Mapping[str, Any]]) -> str:
    kinds = {type(row[column]) for row in rows if row.get(column) is not None}
    if kinds <= {int, float} and float in kinds:
        kinds = {float}
    if not kinds:
        return "VARCHAR"
    if len(kinds) > 1 or not kinds <= set(_TYPES):
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"MAML505: column '{column}' of table '{table}' holds {found}")
    return _TYPES[kinds.pop()]


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    doubled = {column for column in columns if list(columns).count(column) > 1}
    if doubled:
        raise ValueError(f"MAML904: column '{min(doubled)}' stands twice in the result")
    return [
        {column: _json(value, column) for column, value in zip(columns, row, strict=True)}
        for row in rows
    ]


def _json(value: Any, column: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, decimal.Decimal):
        whole = value == value.to_integral_value() and value.as_tuple().exponent == 0
        return int(value) if whole else float(value)
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return utc.isoformat() + "Z"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_json(item, column) for item in value]
    if isinstance(value, dict):
        return {str(key): _json(item, column) for key, item in value.items()}
    raise ValueError(
        f"MAML904: column '{column}' has a {type(value).__name__}, which has no JSON form"
    )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
