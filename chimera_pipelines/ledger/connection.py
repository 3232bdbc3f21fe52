"""Connections of the ledger: SQLite in WAL mode or PostgreSQL, written by many processes at once.

A writing transaction takes the write lock at its beginning, because it reads the end of the chain
before it adds to it: `BEGIN IMMEDIATE` on SQLite, an advisory lock on PostgreSQL.

A server that is started again is waited for, if it was there before: a run outlives that. One that
was never there is an error at once, and so is, from then on, one that did not come back.

Connections are kept for the next transaction: the last one to close a SQLite database copies its
whole log back, which costs more than a commit. Those that wait are closed before a fork, because a
process must not use, nor close, a SQLite connection that another one opened.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError, SQLAlchemyError

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.tables import metadata

BUSY_S = 60.0
RECONNECT_S = 20.0
_CONNECT_S = 10
_ADVISORY_LOCK = 0x43484D52
_open: weakref.WeakSet[Connections] = weakref.WeakSet()


class Connections:
    """Reading and writing transactions on one database, whose tables are made at first use."""

    def __init__(self, url: str) -> None:
        self._shown = url.partition("://")[0]
        self._sqlite = url.startswith("sqlite")
        try:
            parsed = make_url(url)
            self._shown = parsed.render_as_string(hide_password=True)
            self._sqlite = parsed.get_backend_name() == "sqlite"
            if self._sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = _sqlite(url) if self._sqlite else _server(parsed)
        except (ArgumentError, ImportError, OSError) as error:
            raise self._unusable(error) from None
        self._ready = False
        _open.add(self)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads; on SQLite all of it sees the same moment.

        Raises:
            SettingsError: CHIM226, the database cannot be used.
        """
        try:
            self._prepare()
            with self._connect() as connection:
                if self._sqlite:
                    connection.exec_driver_sql("BEGIN")
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
            with self._connect() as connection:
                self._lock(connection)
                yield connection
                connection.commit()
        except SQLAlchemyError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the connections that wait; another transaction opens a new one."""
        self._engine.dispose()

    def _lock(self, connection: Connection) -> None:
        if self._sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})

    def _connect(self) -> Connection:
        deadline = time.monotonic() + RECONNECT_S
        while True:
            try:
                return self._engine.connect()
            except OperationalError:
                if self._sqlite or not self._ready or time.monotonic() > deadline:
                    self._ready = False
                    raise
                time.sleep(0.1)

    def _prepare(self) -> None:
        if self._ready:
            return
        with self._engine.connect() as connection:
            # Who only reads waits for no writer, and needs no right to write.
            if not set(metadata.tables) <= set(inspect(connection).get_table_names()):
                connection.rollback()
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
            hint=_hint(reason, server=not self._sqlite),
        )


def _hint(reason: str, *, server: bool) -> str:
    if server:
        return (
            "see that the server of CHIMERA_LEDGER_URL runs and takes this account; then run again"
        )
    if "not a database" in reason or "malformed" in reason:
        return "move the file away; the next run makes a new ledger, Histories are not touched"
    if "full" in reason:
        return "make room on that disk, or set CHIMERA_HOME to another folder"
    return "set CHIMERA_HOME to a folder that this account may write, or look at CHIMERA_LEDGER_URL"


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_S})
    path = engine.url.database

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        # The driver would begin transactions by itself, and too late: see `_lock`.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        # What is written to a file that was removed or replaced would be lost without a word.
        if record.info["file"] != _identity(path):
            raise DisconnectionError("the database file is another one now")

    return engine


def _server(url: URL) -> Engine:
    given: dict[str, Any] = {}
    if url.get_driver_name() == "psycopg2":
        # Without these a host that does not answer, or a writer that hangs, holds us up for ever.
        given = {"connect_timeout": _CONNECT_S, "options": f"-c lock_timeout={int(BUSY_S * 1000)}"}
    arguments = {name: value for name, value in given.items() if name not in url.query}
    return create_engine(url, pool_pre_ping=True, connect_args=arguments)


def _identity(path: str | None) -> tuple[int, int] | None:
    """Which file has the path now; None: there is none."""
    try:
        found = os.stat(path or "")  # noqa: PTH116 - on every transaction, and a Path costs more
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _close_waiting() -> None:
    for connections in list(_open):
        connections.close()


os.register_at_fork(before=_close_waiting)


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
