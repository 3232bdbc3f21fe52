"""A real agent for tests, with toys for performers; every process of it is ended by its test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.state import CONTROL, HeadEntry, State
from chimera_pipelines.heads.wire import Connection, connect

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


def until(what: str, found: Callable[[], Any], *, seconds: float = WAIT_S) -> Any:
    """What `found` gives as soon as that is something; a failed test when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s for {what}")


class TestAgent:
    """One agent process and what a test asks of it."""

    __test__ = False

    def __init__(
        self,
        folder: Path,
        *,
        performers: Mapping[str, str],
        env: Mapping[str, str] | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        named = [f"--performer={name}={target}" for name, target in performers.items()]
        self.log = folder.parent / f"{folder.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chimera_pipelines.heads", str(folder), *named, *more],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
            )
        self.state = until("the agent", self._state)

    def _state(self) -> State | None:
        assert self.process.poll() is None, self.log.read_text()
        return HeadsDirectory(self.folder).read()

    def connect(self, address: str = CONTROL) -> Connection:
        return connect(address, self.state.secret, directory=self.folder)

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        with self.connect() as connection:
            connection.send({"do": do, **more})
            return connection.receive().frame

    def entry(self, head: str) -> HeadEntry:
        found = self._state()
        assert found is not None
        return found.heads[head]

    def up(self, head: str, *, after: int = 0) -> HeadEntry:
        """The head's entry once an incarnation later than `after` is idle."""

        def idle() -> HeadEntry | None:
            entry = self.entry(head)
            if entry.incarnation <= after:
                return None
            assert entry.problem is None, entry.problem
            return entry if entry.state == "idle" else None

        found = until(f"{head} after {after}", idle)
        assert isinstance(found, HeadEntry)
        return found

    def start(self, head: str) -> HeadEntry:
        assert self.ask("start", head=head) == {"is": "ok"}
        return self.up(head)

    def head(self, head: str) -> Connection:
        address = self.entry(head).address
        assert address is not None
        return self.connect(address)

    def work(self, head: str, *steps: list[Any]) -> Connection:
        """Give a head toys to play with; the connection that hears of them."""
        connection = self.head(head)
        payload = {"steps": list(steps)}
        connection.send({"do": "perform", "work": "w", "performer": "toy", "payload": payload})
        return connection

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def running(
    folder: Path,
    *,
    regeneration: str | None = None,
    env: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
) -> Iterator[TestAgent]:
    """An agent for the time of a test; no process is left behind."""
    performers = {"toy": "tests.heads.toys:Toy"}
    if regeneration is not None:
        performers["regeneration"] = f"tests.heads.rebirths:{regeneration}"
    agent = TestAgent(folder, performers=performers, env=env, more=more)
    pids: set[int] = set()
    try:
        yield agent
        state = HeadsDirectory(folder).read()
        if state is not None:
            pids = {entry.pid for entry in state.heads.values() if entry.pid is not None}
    finally:
        agent.close()
    for pid in pids:
        until(f"the end of {pid}", lambda pid=pid: not Path(f"/proc/{pid}").exists(), seconds=10)
