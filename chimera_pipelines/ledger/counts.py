"""Totals over the ledger, for counters that only go up.

Rows are only ever added, so what was counted once stays counted: a `Counting` remembers how far it
has read each table and reads on from there. When nothing was added since, it reads one row. It also
remembers a link of the chain, and counts anew when that link is not there any more: the ledger is
another one then.

Writers hold the ledger's lock until their rows are seen, so no row appears behind one that was
read.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger import tables
from chimera_pipelines.ledger.connection import Connections
from chimera_pipelines.ledger.evidence import blame
from chimera_pipelines.ledger.tallies import label_values
from chimera_pipelines.phase import PHASES

# Rows of one table that one call of `read` takes; the rest is for the next one.
PAGE = 20_000
# Upper edges in seconds: a phase of a trivial kernel takes milliseconds, a long one half an hour.
EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
# A head's kind where it was read back from a History, which does not say it.
UNKNOWN = "unknown"

_Row: TypeAlias = Any


@dataclass(slots=True)
class Distribution:
    """How many durations fell into each interval between `EDGES`, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(EDGES, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Upper edges as Prometheus writes them, each with the count up to it."""
        edges = (*(f"{edge:g}" for edge in EDGES), "+Inf")
        return zip(edges, accumulate(self.counts), strict=True)


@dataclass(slots=True)
class Counts:
    """Totals.

    Attributes:
        entries: rows of the hash chain.
        blocks: tickets by head kind and status.
        phases: durations by phase, head kind and outcome: `ok`, `failed` or `reused`.
        heads: observations by head and outcome: `ok`, `fault` (its own) or `document` (not its).
        waits: seconds that kernels waited for a head, by head kind.
        stored_bytes: sizes of the checkpoints that tickets were signed for.
        tallies: by name, then by label values in the order of `TALLIES`.
    """

    entries: int = 0
    blocks: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    phases: dict[tuple[str, str, str], Distribution] = field(
        default_factory=lambda: defaultdict(Distribution)
    )
    heads: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    waits: dict[str, Distribution] = field(default_factory=lambda: defaultdict(Distribution))
    stored_bytes: int = 0
    tallies: dict[str, dict[tuple[str, ...], int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    def _ticket(self, row: _Row) -> None:
        if row.action == "TICKET":
            self.blocks[row.head_kind or UNKNOWN, row.status or UNKNOWN] += 1

    def _reading(self, row: _Row) -> None:
        for phase in PHASES:
            seconds = getattr(row, phase)
            if seconds is not None:
                done = "reused" if row.status == "reused" else "ok"
                outcome = "failed" if phase == row.failed_phase else done
                self.phases[str(phase), row.head_kind, outcome].add(seconds)
        if row.waited is not None:
            self.waits[row.head_kind].add(row.waited)

    def _observation(self, row: _Row) -> None:
        failed = row.source == "event" or row.status == "failed"
        outcome = ("fault" if blame(row) else "document") if failed else "ok"
        self.heads[row.head, outcome] += 1

    def _checkpoint(self, row: _Row) -> None:
        self.stored_bytes += row.bytes

    def _tally(self, row: _Row) -> None:
        self.tallies[row.name][label_values(row.labels)] += row.value

    def readers(self) -> dict[Table, Callable[[_Row], None]]:
        """What takes the rows of each table."""
        return {
            tables.tickets: self._ticket,
            tables.phase_seconds: self._reading,
            tables.observations: self._observation,
            tables.checkpoints: self._checkpoint,
            tables.tallies: self._tally,
        }


class Counting:
    """Totals over the ledger at a URL, kept up to date. Safe to use from threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connections: Connections | None = None
        self._start_over()

    def _start_over(self) -> None:
        self._counts = Counts()
        self._shown = Counts()
        self._read: dict[Table, int] = {}
        self._mark: tuple[int, str] | None = None
        self._behind = False

    def now(self) -> Counts:
        """The totals, all rows that were there at the first call included.

        Raises:
            SettingsError: CHIM241, there is no ledger yet; CHIM226, it cannot be used.
        """
        with self._lock:
            self._refuse_absent()
            first = self._mark is None
            self._catch_up()
            while first and self._behind:
                self._catch_up()
            return self._shown

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connections is not None:
                self._connections.close()
                self._connections = None

    def _refuse_absent(self) -> None:
        # A reader must not make an empty ledger in a folder that was named by mistake.
        try:
            parsed = make_url(self._url)
        except ArgumentError:
            return
        name = parsed.database
        if parsed.get_backend_name() == "sqlite" and name and not Path(name).is_file():
            self._connections = None
            raise SettingsError(
                "CHIM241",
                f"there is no ledger '{name}'",
                hint="run a document first, or look at CHIMERA_HOME and CHIMERA_LEDGER_URL",
            )

    def _catch_up(self) -> None:
        try:
            self._connections = self._connections or Connections(self._url)
            with self._connections.reading() as connection:
                self._read_on(connection)
        except SettingsError:
            self._connections = None
            raise

    def _read_on(self, connection: Connection) -> None:
        column = tables.chain.c
        links = select(column.id, column.link)
        last = connection.execute(links.order_by(column.id.desc()).limit(1)).first()
        mark = None if last is None else (last.id, last.link)
        if self._mark is not None and mark != self._mark:
            there = connection.execute(links.where(column.id == self._mark[0])).first()
            if there is None or (there.id, there.link) != self._mark:
                self._start_over()
        elif mark == self._mark and not self._behind:
            return
        self._mark, self._behind = mark, False
        self._counts.entries += self._new_links(connection)
        for table, reader in self._counts.readers().items():
            query = select(table).where(table.c.id > self._read.get(table, 0))
            rows = connection.execute(query.order_by(table.c.id).limit(PAGE)).all()
            for row in rows:
                reader(row)
            if rows:
                self._read[table] = rows[-1].id
            self._behind = self._behind or len(rows) == PAGE
        # A copy: whoever looks at the totals does so while another thread counts on.
        self._shown = deepcopy(self._counts)

    def _new_links(self, connection: Connection) -> int:
        column = tables.chain.c
        query = select(func.count(), func.max(column.id)).where(
            column.id > self._read.get(tables.chain, 0)
        )
        count, last = connection.execute(query).one()
        self._read[tables.chain] = last or self._read.get(tables.chain, 0)
        return int(count)
