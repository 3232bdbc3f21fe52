"""A PostgreSQL server of our own for tests: made by initdb, on a free port, gone afterwards.

PostgreSQL refuses to run as root. Root's tests run it as the user `postgres` of the package, in a
folder of `/tmp`, since that user may not enter root's temporary folders.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "let-me-in"  # of a server that listens on this machine alone, for a minute
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60")


class Server:
    """One server in one folder, started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._as = _someone()
        if "user" in self._as:
            shutil.chown(folder, self._as["user"])
        secret = folder / "password"
        secret.write_text(PASSWORD)
        self._run(
            *("initdb", "--no-sync", "-U", "chimera", "-A", "scram-sha-256", "-E", "UTF8"),
            *("--locale=C", "--pwfile", str(secret), str(folder / "data")),
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def netloc(self) -> str:
        """User, password, host and port."""
        return f"chimera:{PASSWORD}@127.0.0.1:{self.port}"

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://{self.netloc}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [part for one in _FAST for part in ("-c", one)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(BINARIES / "postgres"), "-D", str(self.folder / "data")),
                    *("-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)),
                    *options,
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        end = time.monotonic() + 60
        while not self._ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as a crash would; connections break off."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(60)
            self._process = None

    def create(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"t_{secrets.token_hex(6)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, database: str, statement: str) -> str:
        """Run a statement with psql; returns what it prints, without headings."""
        done = self._run("psql", "-XAtqc", statement, f"postgresql://{self.netloc}/{database}")
        return done.stdout.strip()

    def _ready(self) -> bool:
        done = subprocess.run(
            [str(BINARIES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BINARIES / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, done.stderr
        return done


def _someone() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": "postgres", "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def _running() -> Iterator[Server]:
    if not (BINARIES / "initdb").exists():
        pytest.skip("no PostgreSQL 15: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="chimera-postgresql-"))
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A running server for all tests; each makes databases of its own."""
    with _running() as server:
        yield server


@pytest.fixture
def mortal_server() -> Iterator[Server]:
    """A running server for one test, which may stop it."""
    with _running() as server:
        yield server
