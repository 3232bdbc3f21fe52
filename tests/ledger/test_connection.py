from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger import tables
from chimera_pipelines.ledger.connection import Connections

RUN = {"run_id": "r", "document_id": "d", "status": "ok", "timestamp": "t"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def connections(path: Path):
    made = Connections(f"sqlite:///{path}")
    yield made
    made.close()


def write(connections: Connections) -> None:
    with connections.writing() as connection:
        connection.execute(tables.runs.insert(), RUN)


def count(connections: Connections) -> int:
    with connections.reading() as connection:
        return connection.scalar(select(func.count()).select_from(tables.runs)) or 0


def open_files(path: Path) -> list[str]:
    """Which files of the database this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            found.append(str(link.readlink()))
    return [name for name in found if name.startswith(str(path))]


def test_one_connection_serves_one_transaction_after_the_other(connections: Connections) -> None:
    opened = []
    event.listen(connections._engine, "connect", lambda *_: opened.append(1))
    for _ in range(5):
        write(connections)
    assert (count(connections), len(opened)) == (5, 1)


def test_threads_write_and_read_at_once(connections: Connections) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: (write(connections), count(connections)), range(40)))
    assert count(connections) == 40


def test_a_transaction_that_failed_leaves_nothing_behind(connections: Connections) -> None:
    write(connections)
    with suppress(ZeroDivisionError), connections.writing() as connection:
        connection.execute(tables.runs.insert(), RUN)
        raise ZeroDivisionError
    write(connections)
    assert count(connections) == 2


def test_all_of_a_reading_sees_the_same_moment(connections: Connections, path: Path) -> None:
    write(connections)
    other = Connections(f"sqlite:///{path}")
    query = select(func.count()).select_from(tables.runs)
    with connections.reading() as connection:
        before = connection.scalar(query)
        write(other)
        assert connection.scalar(query) == before == 1
    assert count(connections) == 2
    other.close()


def test_who_only_reads_waits_for_no_writer(connections: Connections, path: Path) -> None:
    write(connections)
    reader = Connections(f"sqlite:///{path}")
    with connections.writing():
        assert count(reader) == 1
    reader.close()


def test_a_forked_child_gets_no_connection_and_opens_its_own(
    connections: Connections, path: Path
) -> None:
    write(connections)
    assert open_files(path)
    child = os.fork()
    if child == 0:
        inherited = bool(open_files(path))
        write(connections)
        os._exit(int(inherited))
    assert os.waitpid(child, 0)[1] == 0
    write(connections)
    assert count(connections) == 3


def test_nothing_is_written_to_a_file_that_was_removed(
    connections: Connections, path: Path
) -> None:
    write(connections)
    for part in path.parent.iterdir():
        part.unlink()
    with pytest.raises(SettingsError, match="no such table"):
        write(connections)


def test_a_database_put_in_the_place_of_another_is_the_one_that_is_used(
    connections: Connections, path: Path
) -> None:
    write(connections)
    with sqlite3.connect(path) as source, sqlite3.connect(path.with_name("copy")) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    path.with_name("copy").replace(path)
    for log in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        path.with_name(log).unlink(missing_ok=True)
    write(connections)
    other = Connections(f"sqlite:///{path}")
    assert count(other) == 2
    other.close()
