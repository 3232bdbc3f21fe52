"""The machine's record of runs, tickets, tree heads, checkpoints, heads and wallets.

What a file cannot hold: History whose tail was cut still verifies, and only a tree head noted
elsewhere shows it (MAML.md §8). Reputation and wallet are sums over rows that tickets left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, select

from chimera_pipelines.ledger import chain, consequences, evidence, tables
from chimera_pipelines.ledger.connection import Connections
from chimera_pipelines.ledger.evidence import HeadEvent, Observation, StandingRow
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.ledger.tallies import labels_text
from chimera_pipelines.timestamps import timestamp


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A signed entry of a History: GRANT, TICKET, KEY or ARCHIVE, and what the line does not say.

    Attributes:
        leaf: digest of the entry's bytes; an entry is recorded once.
        slug: of the document's file name.
        head_kind: `quantum` or `ai`; None when it was read back from a History.
    """

    leaf: str
    document_id: str
    slug: str
    seq: int
    action: str
    timestamp: str
    doc: str
    key: str
    signature_digest: str
    run_id: str | None = None
    granted_to: str | None = None
    kernel: str | None = None
    status: str | None = None
    head: str | None = None
    head_kind: str | None = None
    cuda_ns: int | None = None
    input_digest: str | None = None
    output_digest: str = ""
    partition: str | None = None
    sandbox: str | None = None


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The Merkle root over the first `size` entries of a document's History."""

    document_id: str
    size: int
    root: str
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A state that a run entered: `started`, then `ok`, `failed` or `refused`."""

    run_id: str
    document_id: str
    status: str
    timestamp: str
    principal: str | None = None


class Ledger:
    """The ledger at a SQLAlchemy URL (SQLite or PostgreSQL), for any number of processes.

    Raises:
        SettingsError: CHIM226, of every method: the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)

    def close(self) -> None:
        """Close kept connections."""
        self._connections.close()

    def record(
        self,
        rows: Sequence[TicketRow],
        head: TreeHead | None = None,
        readings: Sequence[Reading] = (),
    ) -> int:
        """Record signed entries and the tree head after them in one transaction.

        An entry that is there already is passed over, so a History may be recorded again.

        Args:
            rows: entries that verified.
            head: the tree head after the last one.
            readings: what was measured of attempts that tickets of `rows` end.

        Returns:
            How many entries were new.
        """
        measured = {reading.leaf: reading for reading in readings}
        with self._connections.writing() as connection:
            known = self._known(connection, [row.leaf for row in rows])
            new = [row for row in rows if row.leaf not in known]
            with chain.adding(connection) as additions:
                for row in new:
                    additions.add(tables.tickets, asdict(row))
                    consequences.add(connection, additions, row, measured.get(row.leaf))
                if head is not None:
                    _add_head(connection, additions, head)
        return len(new)

    @staticmethod
    def _known(connection: Connection, leaves: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(leaves), 500):
            some = leaves[at : at + 500]
            query = select(tables.tickets.c.leaf).where(tables.tickets.c.leaf.in_(some))
            found.update(connection.scalars(query))
        return found

    def granted(self, run_id: str) -> bool:
        """Whether a run has a GRANT on record."""
        column = tables.tickets.c
        query = select(column.id).where(column.run_id == run_id, column.action == "GRANT").limit(1)
        with self._connections.reading() as connection:
            return connection.execute(query).first() is not None

    def find_reusable(self, input_digest: str, head_kind: str) -> TicketRow | None:
        """The latest `ok` ticket with that `in` on a head of that kind (MAML.md §8, `reused`)."""
        column = tables.tickets.c
        return self._ticket(
            select(tables.tickets)
            .where(column.input_digest == input_digest, column.head_kind == head_kind)
            .where(column.status == "ok", column.action == "TICKET")
        )

    def latest_output(self, document_id: str, slug: str, kernel: str) -> TicketRow | None:
        """The latest ticket with a published output of a document's kernel.

        Both of id and slug must match: another document may have a file of that name.
        """
        column = tables.tickets.c
        return self._ticket(
            select(tables.tickets)
            .where(column.slug == slug, column.kernel == kernel, column.action == "TICKET")
            .where(column.document_id == document_id)
            .where(column.status.in_(("ok", "reused", "unverified")))
        )

    def failures(self, run_id: str, document_id: str, kernel: str, partition: str | None) -> int:
        """How many attempts of a kernel failed in a run, in whichever phase and process."""
        column = tables.tickets.c
        query = (
            select(func.count())
            .select_from(tables.tickets)
            .where(column.run_id == run_id, column.action == "TICKET", column.status == "failed")
            .where(column.document_id == document_id, column.kernel == kernel)
            .where(
                column.partition.is_(None) if partition is None else column.partition == partition
            )
        )
        with self._connections.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _ticket(self, query: Select[Any]) -> TicketRow | None:
        with self._connections.reading() as connection:
            row = connection.execute(query.order_by(tables.tickets.c.id.desc()).limit(1)).first()
        return None if row is None else TicketRow(**_values(TicketRow, row))

    def tree_heads(self, document_id: str) -> tuple[TreeHead, ...]:
        """Every tree head recorded for a document, oldest first."""
        column = tables.tree_heads.c
        query = select(tables.tree_heads).where(column.document_id == document_id)
        with self._connections.reading() as connection:
            rows = connection.execute(query.order_by(column.id)).all()
        return tuple(TreeHead(**_values(TreeHead, row)) for row in rows)

    def record_run(self, run: RunRow) -> None:
        """Record that a run entered a state."""
        self._add(tables.runs, asdict(run))

    def run_states(self, run_id: str) -> tuple[RunRow, ...]:
        """The states that a run went through."""
        column = tables.runs.c
        query = select(tables.runs).where(column.run_id == run_id).order_by(column.id)
        with self._connections.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(RunRow(**_values(RunRow, row)) for row in rows)

    def tally(self, name: str, value: int, **labels: str) -> None:
        """Count something that no ticket tells of.

        Args:
            name: a key of `tallies.TALLIES`.
            value: how much is added.
            labels: exactly those of that counter.

        Raises:
            ValueError: there is no such counter, or it has other labels.
        """
        values = {
            "name": name,
            "labels": labels_text(name, labels),
            "value": value,
            "timestamp": timestamp(time.time_ns()),
        }
        self._add(tables.tallies, values)

    def _add(self, table: Table, values: dict[str, Any]) -> None:
        with self._connections.writing() as connection, chain.adding(connection) as additions:
            additions.add(table, values)

    def record_document(self, document_id: str, slug: str, path: str) -> None:
        """Record where a document lies, unless it is known to lie there."""
        if self.document_path(document_id, slug) == path:
            return
        values = {"document_id": document_id, "slug": slug, "path": path}
        self._add(tables.documents, {**values, "timestamp": timestamp(time.time_ns())})

    def document_path(self, document_id: str, slug: str | None = None) -> str | None:
        """Where a document was last seen; None when nobody told.

        Args:
            document_id: its `id`.
            slug: of its file name: copies under other names have the same id.
        """
        column = tables.documents.c
        query = select(column.path).where(column.document_id == document_id)
        if slug is not None:
            query = query.where(column.slug == slug)
        with self._connections.reading() as connection:
            found: str | None = connection.scalar(query.order_by(column.id.desc()).limit(1))
        return found

    def last_tickets(self, head: str, count: int) -> tuple[TicketRow, ...]:
        """The latest tickets that a head signed, newest first."""
        column = tables.tickets.c
        query = select(tables.tickets).where(column.head == head, column.action == "TICKET")
        with self._connections.reading() as connection:
            rows = connection.execute(query.order_by(column.id.desc()).limit(count)).all()
        return tuple(TicketRow(**_values(TicketRow, row)) for row in rows)

    def published(self, run_id: str, document_id: str, partition: str | None) -> dict[str, str]:
        """`out` of each kernel that has published something in a run, by its name."""
        column = tables.tickets.c
        query = (
            select(column.kernel, column.output_digest)
            .where(column.run_id == run_id, column.action == "TICKET")
            .where(column.document_id == document_id, column.status != "failed")
            .where(
                column.partition.is_(None) if partition is None else column.partition == partition
            )
        )
        with self._connections.reading() as connection:
            rows = connection.execute(query.order_by(column.id)).all()
        return {str(row.kernel): str(row.output_digest) for row in rows}

    def record_head_event(self, event: HeadEvent) -> None:
        """Record what happened to a head; a death speaks against it."""
        with self._connections.writing() as connection, chain.adding(connection) as additions:
            evidence.add_event(connection, additions, event)

    def head_events(self, head: str | None = None, limit: int = 100) -> tuple[HeadEvent, ...]:
        """The latest events of a head, or of all, newest first."""
        with self._connections.reading() as connection:
            return evidence.events(connection, head, limit)

    def observations(
        self, head: str, after: int = 0, limit: int = 10_000
    ) -> tuple[Observation, ...]:
        """What was observed of a head after an observation, oldest first."""
        with self._connections.reading() as connection:
            return evidence.observations(connection, head, after, limit)

    def latest_observations(self, head: str, limit: int) -> tuple[Observation, ...]:
        """What was last observed of a head, newest first."""
        with self._connections.reading() as connection:
            return evidence.latest_observations(connection, head, limit)

    def standing(self, head: str) -> StandingRow | None:
        """The latest sum over a head's observations."""
        with self._connections.reading() as connection:
            return evidence.standing(connection, head)

    def record_standing(self, row: StandingRow) -> None:
        """Record a sum over a head's observations."""
        with self._connections.writing() as connection, chain.adding(connection) as additions:
            evidence.add_standing(connection, additions, row)

    def tokens(self, agent: str) -> int:
        """Tokens that an agent earned by valid tickets."""
        column = tables.wallet.c
        query = select(func.coalesce(func.sum(column.tokens), 0)).where(column.agent == agent)
        with self._connections.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def verify_chain(self) -> int:
        """Recompute the chain over all rows; returns how many there are.

        Raises:
            HistoryError: CHIM227, a row was edited, removed or added.
        """
        with self._connections.reading() as connection:
            return chain.verify(connection)


def _values(record: Any, row: Row[Any]) -> dict[str, Any]:
    mapping = row._mapping  # noqa: SLF001  the public name of a row's columns
    return {field.name: mapping[field.name] for field in fields(record)}


def _add_head(connection: Connection, additions: chain.Additions, head: TreeHead) -> None:
    column = tables.tree_heads.c
    query = select(column.size, column.root).where(column.document_id == head.document_id)
    last = connection.execute(query.order_by(column.id.desc()).limit(1)).first()
    if last is None or (last.size, last.root) != (head.size, head.root):
        stamp = head.timestamp or timestamp(time.time_ns())
        additions.add(tables.tree_heads, {**asdict(head), "timestamp": stamp})
