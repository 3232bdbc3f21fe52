"""Connections of the ledger: SQLite in WAL mode or PostgreSQL, written by many processes at once.

A writing transaction takes the write lock at its beginning, because it reads the end of the chain
before it adds to it: `BEGIN IMMEDIATE` on SQLite, an advisory lock on PostgreSQL. On SQLite
connections are not kept, so that a forked process never shares one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.tables import metadata

BUSY_S = 60.0
_ADVISORY_LOCK = 0x43484D52


class Connections:
    """Reading and writing transactions on one database, whose tables are made at first use."""

    def __init__(self, url: str) -> None:
        self._shown = url.partition("://")[0]
        try:
            parsed = make_url(url)
            self._shown = parsed.render_as_string(hide_password=True)
            self._sqlite = parsed.get_backend_name() == "sqlite"
            if self._sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = _sqlite(url) if self._sqlite else create_engine(url)
        except (ArgumentError, ImportError, OSError) as error:
            raise self._unusable(error) from None
        self._ready = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads.

        Raises:
            SettingsError: CHIM226, the database cannot be used.
        """
        try:
            self._prepare()
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._unusable(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is the only writer; committed at the end.

        Raises:
            SettingsError: CHIM226, the database cannot be used.
        """
        try:
            self._prepare()
            with self._engine.connect() as connection:
                self._lock(connection)
                yield connection
                connection.commit()
        except SQLAlchemyError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close kept connections."""
        self._engine.dispose()

    def _lock(self, connection: Connection) -> None:
        if self._sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})

    def _prepare(self) -> None:
        if self._ready:
            return
        with self._engine.connect() as connection:
            if self._sqlite:
                _enter_wal(connection)
            self._lock(connection)
            metadata.create_all(connection)
            connection.commit()
        self._ready = True

    def _unusable(self, error: Exception) -> SettingsError:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return SettingsError(
            "CHIM226",
            f"ledger '{self._shown}' cannot be used: {reason.lower()}",
            hint="look at CHIMERA_LEDGER_URL and at the permissions of CHIMERA_HOME",
        )


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        # The driver would begin transactions by itself, and too late: see `_lock`.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _enter_wal(connection: Connection) -> None:
    """Switch to WAL once; SQLite does not wait for other processes here, so this does."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            connection.rollback()
            return
