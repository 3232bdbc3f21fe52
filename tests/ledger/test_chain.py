from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import Connection, func, select

from chimera_pipelines.digest import digest
from chimera_pipelines.errors import HistoryError
from chimera_pipelines.ledger import chain, tables
from chimera_pipelines.ledger.connection import Connections


@pytest.fixture
def connections(ledger_url: str):
    made = Connections(ledger_url)
    yield made
    made.close()


def run(status: str) -> dict[str, str]:
    return {"run_id": "r", "document_id": "d", "status": status, "timestamp": "t"}


def add(connections: Connections, *statuses: str) -> None:
    with connections.writing() as connection, chain.adding(connection) as additions:
        for status in statuses:
            additions.add(tables.runs, run(status))


def links(connection: Connection) -> list[str]:
    return list(connection.scalars(select(tables.chain.c.link).order_by(tables.chain.c.id)))


def test_each_link_stands_for_a_row_and_all_above(connections: Connections) -> None:
    add(connections, "started")
    add(connections, "ok", "failed")
    with connections.reading() as connection:
        found = links(connection)
        assert chain.verify(connection) == 3
    expected, link = [], chain.GENESIS
    for number, status in enumerate(("started", "ok", "failed"), 1):
        row = {**run(status), "id": number, "principal": None}
        link = chain._link(link, digest(row))
        expected.append(link)
    assert found == expected


def test_an_empty_ledger_has_an_empty_chain(connections: Connections) -> None:
    with connections.reading() as connection:
        assert chain.verify(connection) == 0


def test_rows_of_a_transaction_that_fails_have_no_links(connections: Connections) -> None:
    add(connections, "started")
    with (
        suppress(ZeroDivisionError),
        connections.writing() as connection,
        chain.adding(connection) as additions,
    ):
        additions.add(tables.runs, run("ok"))
        raise ZeroDivisionError
    with connections.reading() as connection:
        assert chain.verify(connection) == 1
        assert connection.scalar(select(func.count()).select_from(tables.runs)) == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_row_that_was_removed_is_missed(connections: Connections, number: int) -> None:
    add(connections, "started", "ok", "failed")
    with connections.writing() as connection:
        connection.execute(tables.runs.delete().where(tables.runs.c.id == number))
    with connections.reading() as connection, pytest.raises(HistoryError, match=f"row {number} "):
        chain.verify(connection)
