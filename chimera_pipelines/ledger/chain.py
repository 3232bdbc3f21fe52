"""The chain over the ledger's rows: written with them, recomputed to see whether one was touched.

A link is SHA-256 over the link before and the digest of the row that it stands for. Whoever writes
holds the write lock, so the last link is read once a transaction and the new links are inserted
together at its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from chimera_pipelines.digest import digest
from chimera_pipelines.errors import HistoryError
from chimera_pipelines.ledger import tables

GENESIS = "sha256:" + hashlib.sha256(b"chimera.ledger/1").hexdigest()
_LAST = select(tables.chain.c.link).order_by(tables.chain.c.id.desc()).limit(1)


class Additions:
    """Rows that one transaction adds. Made by `adding`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._link: str = connection.scalar(_LAST) or GENESIS
        self._links: list[dict[str, Any]] = []

    def add(self, table: Table, values: dict[str, Any]) -> None:
        """Insert a row; its link follows when the transaction is done."""
        key = self._connection.execute(table.insert(), values).inserted_primary_key
        if key is None:
            raise AssertionError(f"table {table.name} gave no primary key")
        row = {column.name: values.get(column.name) for column in table.c}
        row_digest = digest({**row, "id": key[0]})
        self._link = _link(self._link, row_digest)
        self._links.append(
            {"table": table.name, "row": key[0], "digest": row_digest, "link": self._link}
        )

    def close(self) -> None:
        """Insert the links."""
        if self._links:
            self._connection.execute(tables.chain.insert(), self._links)


@contextmanager
def adding(connection: Connection) -> Iterator[Additions]:
    """Add rows in a transaction that holds the write lock."""
    additions = Additions(connection)
    yield additions
    additions.close()


def verify(connection: Connection) -> int:
    """Recompute the chain over all rows; returns how many there are.

    Raises:
        HistoryError: CHIM227, a row was edited, removed or added.
    """
    count, link = 0, GENESIS
    rows = _rows_by_place(connection)
    for step in connection.execute(select(tables.chain).order_by(tables.chain.c.id)):
        row = rows.pop((step.table, step.row), None)
        found = None if row is None else digest(row)
        link = _link(link, step.digest)
        if found != step.digest or link != step.link:
            raise _broken(f"row {step.row} of table '{step.table}' is not what was written")
        count += 1
    if rows:
        table, row_id = next(iter(rows))
        raise _broken(f"row {row_id} of table '{table}' is not in the chain")
    return count


def _broken(message: str) -> HistoryError:
    return HistoryError("CHIM227", f"ledger: {message}", hint="restore it from a backup")


def _link(before: str, row_digest: str) -> str:
    return "sha256:" + hashlib.sha256(f"{before}\n{row_digest}".encode()).hexdigest()


def _rows_by_place(connection: Connection) -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (table.name, row.id): dict(row._mapping)  # noqa: SLF001  the public name of its columns
        for table in tables.metadata.sorted_tables
        if table is not tables.chain
        for row in _all(connection, table)
    }


def _all(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    yield from connection.execute(select(table))
