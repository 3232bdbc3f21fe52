"""What a new ticket means beside its own row: for its head, for who asked, for what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from chimera_pipelines.ledger import chain, evidence, tables
from chimera_pipelines.ledger.readings import Reading

if TYPE_CHECKING:
    from chimera_pipelines.ledger.ledger import TicketRow


def add(
    connection: Connection, additions: chain.Additions, row: TicketRow, reading: Reading | None
) -> None:
    """Add the rows that follow from a signed entry, in the transaction that records it."""
    if row.action == "TICKET" and row.head is not None and row.status not in (None, "reused"):
        _reward(connection, additions, row, reading)
    if reading is not None:
        _measure(additions, row, reading)


def _reward(
    connection: Connection, additions: chain.Additions, row: TicketRow, reading: Reading | None
) -> None:
    """An observation of the head, and a token for who asked when the kernel went well."""
    evidence.add_ticket(
        additions,
        head=str(row.head),
        leaf=row.leaf,
        status=str(row.status),
        stamp=row.timestamp,
        reading=reading,
    )
    column = tables.tickets.c
    query = select(column.granted_to).where(column.run_id == row.run_id, column.action == "GRANT")
    agent = connection.scalar(query.limit(1))
    if row.status != "failed" and agent is not None:
        additions.add(tables.wallet, {"agent": agent, "leaf": row.leaf, "tokens": 1})


def _measure(additions: chain.Additions, row: TicketRow, reading: Reading) -> None:
    additions.add(tables.phase_seconds, reading.values())
    if reading.checkpoint is not None:
        values = {
            "content_id": reading.checkpoint.content_id,
            "document_id": row.document_id,
            "kernel": row.kernel,
            "run_id": row.run_id,
            "bytes": reading.checkpoint.size,
            "shares": reading.checkpoint.shares,
            "timestamp": row.timestamp,
        }
        additions.add(tables.checkpoints, values)
