from __future__ import annotations

import pytest
from sqlalchemy import func, select

from chimera_pipelines.ledger import tables
from chimera_pipelines.ledger.readings import Reading, Stored
from tests.ledger.test_ledger import grant, row

READING = Reading("a", "quantum", "ok", {"embed": 0.5}, checkpoint=Stored("sha256:c", 10, 4))


def rows(ledger, table) -> int:
    with ledger._connections.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize(
    ("status", "observed", "paid"), [("ok", 1, 1), ("failed", 1, 0), ("reused", 0, 0)]
)
def test_what_a_ticket_means(ledger, status, observed, paid):
    ledger.record([grant(), row("a", status=status)], readings=[READING])
    assert rows(ledger, tables.observations) == observed
    assert rows(ledger, tables.wallet) == paid
    assert rows(ledger, tables.phase_seconds) == rows(ledger, tables.checkpoints) == 1
    ledger.verify_chain()


def test_a_grant_means_nothing_more(ledger):
    ledger.record([grant()])
    for table in (tables.observations, tables.wallet, tables.phase_seconds, tables.checkpoints):
        assert rows(ledger, table) == 0


def test_what_was_not_measured_is_not_counted(ledger):
    ledger.record([row("b")], readings=[READING])
    assert rows(ledger, tables.observations) == 1
    assert rows(ledger, tables.phase_seconds) == 0
