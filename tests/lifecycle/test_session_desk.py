"""A session that is held for another head, with its client over a socket pair; no head processes.

`lifecycle.remote_session` is the other end, and is tested here with it and alone in its own file.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.errors import HeadUnavailableError, KernelError, SandboxUnavailableError
from chimera_pipelines.heads.local import build_head
from chimera_pipelines.heads.performer import HeadContext
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.heads.wire import Connection
from chimera_pipelines.lifecycle.remote_session import RemoteSession
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.session_desk import SessionDesk
from chimera_pipelines.lifecycle.session_frames import spec_json
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox.outcomes import Attachment, Crashed, LimitExceeded, Raised, Returned
from chimera_pipelines.sandbox.tiers import Tier, choose
from tests.lifecycle.conftest import home, services

__all__ = ["home", "services"]
KEYS = (b"a" * 32, b"b" * 32)
SOURCE = """import time
CALLS = []
def run(x):
    CALLS.append(x)
    return {"sum": sum(CALLS), "x": x}
def size(data):
    return {"size": len(data), "data": data}
def fail(x):
    raise ValueError(f"no {x}")
def sleep(x):
    time.sleep(x)
"""


@pytest.fixture
def desk(services: Services, tmp_path: Path) -> Iterator[SessionDesk]:
    local = build_head("HEAD_3", "cpu", memory_bytes=1 << 20, incarnation=2)
    here = HeadContext("HEAD_3", "ai", "cpu", 2, "agent", tmp_path, local)
    made = SessionDesk(here, Services(services.settings, here=here))
    yield made
    made.close()


@pytest.fixture
def session(desk: SessionDesk) -> Iterator[Callable[..., RemoteSession]]:
    """Makes clients of the desk, each with a connection."""
    with contextlib.ExitStack() as stack:

        def make(tier: Tier | None = None) -> RemoteSession:
            ours, theirs = socket.socketpair()
            server = Connection(theirs, KEYS)

            def read() -> None:
                with contextlib.suppress(EOFError, OSError):
                    while True:
                        desk.ask(server, server.receive())
                desk.gone(server)

            thread = threading.Thread(target=read)
            thread.start()
            spec = SessionSpec(tier or choose("auto", trusted=False), (), 20.0)
            made = RemoteSession(RemoteHead("HEAD_3", Connection(ours, KEYS[::-1])), spec)
            stack.callback(server.close)
            stack.callback(thread.join, 10)
            stack.callback(made.close)
            stack.callback(made.abort)
            return made

        yield make


def loaded(made: RemoteSession) -> RemoteSession:
    found = made.load("b", SOURCE, filename="doc.maml.md", first_line=7)
    assert isinstance(found, Returned)
    return made


def test_one_session_serves_all_calls(session: Callable[..., RemoteSession]) -> None:
    made = loaded(session())
    assert made.call("b", "run", {"x": 2}, timeout_s=10.0) == Returned({"sum": 2, "x": 2})
    assert made.call("b", "run", {"x": 3}, timeout_s=10.0) == Returned({"sum": 5, "x": 3})
    failed = made.call("b", "fail", {"x": 1}, timeout_s=10.0)
    assert isinstance(failed, Raised)
    assert (failed.kind, failed.message, failed.line) == ("ValueError", "no 1", 9)


def test_a_session_is_opened_once(session: Callable[..., RemoteSession]) -> None:
    made = loaded(session())
    with pytest.raises(KernelError, match="opened twice"):
        made._ask("open", {"spec": spec_json(made._spec)}, within_s=10.0)
    assert made.call("b", "run", {"x": 2}, timeout_s=10.0) == Returned({"sum": 2, "x": 2})


def test_bytes_cross_as_attachments(session: Callable[..., RemoteSession]) -> None:
    data = Attachment("application/octet-stream", b"\0\xff" * 70_000)
    given: dict[str, Any] = {"data": {"$attachment": 0}}
    found = loaded(session()).call("b", "size", given, attachments=[data], timeout_s=10.0)
    assert isinstance(found, Returned)
    assert found.value == {"size": 140_000, "data": {"$attachment": 0}}
    assert found.attachments == (data,)


def test_the_limit_is_the_callers(session: Callable[..., RemoteSession]) -> None:
    found = loaded(session()).call("b", "sleep", {"x": 30}, timeout_s=0.3)
    assert isinstance(found, LimitExceeded)
    assert (found.limit, found.allowed) == ("wall", 0.3)


def test_an_abort_ends_the_call_and_the_session(
    session: Callable[..., RemoteSession], desk: SessionDesk
) -> None:
    made = loaded(session())
    threading.Timer(0.3, made.abort).start()
    begun = time.monotonic()
    assert isinstance(made.call("b", "sleep", {"x": 60}, timeout_s=60.0), Crashed)
    assert time.monotonic() - begun < 30
    end = time.monotonic() + 10
    while desk._guests and time.monotonic() < end:
        time.sleep(0.01)
    assert not desk._guests, "nothing is kept for who is gone"


def test_a_session_without_a_sandbox_is_refused(session: Callable[..., RemoteSession]) -> None:
    with pytest.raises(SandboxUnavailableError, match="MAML906"):
        loaded(session(Tier.PROCESS))


def test_a_desk_that_closes_ends_its_sessions(
    session: Callable[..., RemoteSession], desk: SessionDesk
) -> None:
    made = loaded(session())
    guest = next(iter(desk._guests.values()))
    desk.close()
    assert not guest.thread.is_alive()
    made.abort()
    with contextlib.suppress(HeadUnavailableError):
        assert isinstance(made.call("b", "run", {"x": 1}, timeout_s=1.0), Crashed)
