"""The client's side of a session on another head, against heads that die, lie or say nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.heads.wire import Connection
from chimera_pipelines.lifecycle import remote_session
from chimera_pipelines.lifecycle.remote_session import RemoteSession
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox.outcomes import Crashed
from chimera_pipelines.sandbox.tiers import Tier

KEYS = (b"a" * 32, b"b" * 32)
SPEC = SessionSpec(Tier.LANDLOCK, ("torch",), 5.0)


@pytest.fixture
def pair() -> Iterator[tuple[RemoteSession, Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    server = Connection(theirs, KEYS)
    session = RemoteSession(RemoteHead("HEAD_4", Connection(ours, KEYS[::-1])), SPEC)
    yield session, server, theirs
    session.close()
    server.close()


def then(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_it_opens_with_the_first_load_alone(pair) -> None:  # type: ignore[no-untyped-def]
    session, server, _ = pair
    asked = []

    def serve() -> None:
        for _ in range(3):
            message = server.receive()
            asked.append(message.frame)
            value = {"outcome": "Crashed", "signal": None, "exit_code": 1}
            told = None if message.frame["op"] == "open" else value
            answer = {"is": "session", "id": message.frame["id"], "value": told, "error": None}
            server.send(answer)

    thread = then(serve)
    for _ in range(2):
        assert session.load("b", "x = 1", filename="f", first_line=3) == Crashed(None, 1)
    thread.join(10)
    assert [frame["op"] for frame in asked] == ["open", "load", "load"]
    assert asked[0]["spec"] == {"tier": "landlock", "preload": ["torch"], "timeout_s": 5.0}


def test_a_head_that_dies_is_said_so(pair) -> None:  # type: ignore[no-untyped-def]
    session, server, _ = pair
    thread = then(lambda: (server.receive(), server.hang_up()))
    with pytest.raises(HeadUnavailableError, match="CHIM714 HEAD_4"):
        session.call("b", "run", {}, timeout_s=5.0)
    thread.join(10)


def test_a_head_that_says_nothing_counts_as_dead(
    pair,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    session, *_ = pair
    monkeypatch.setattr(remote_session, "PATIENCE_S", 0.1)
    with pytest.raises(HeadUnavailableError, match="no answer within"):
        session.call("b", "run", {}, timeout_s=0.1)


def test_a_head_that_answers_garbage_counts_as_dead(pair) -> None:  # type: ignore[no-untyped-def]
    session, server, raw = pair
    thread = then(lambda: (server.receive(), raw.sendall(b"x" * 200)))
    with pytest.raises(HeadUnavailableError, match="CHIM714"):
        session.call("b", "run", {}, timeout_s=5.0)
    thread.join(10)


def test_coded_errors_come_back(pair) -> None:  # type: ignore[no-untyped-def]
    session, server, _ = pair

    def serve() -> None:
        message = server.receive()
        error = error_json(KernelError("MAML903", "no session", hint="a hint"))
        server.send({"is": "session", "id": message.frame["id"], "value": None, "error": error})

    thread = then(serve)
    with pytest.raises(KernelError, match="MAML903 no session"):
        session.call("b", "run", {}, timeout_s=5.0)
    thread.join(10)


def test_an_abort_is_a_crash_and_no_death(pair) -> None:  # type: ignore[no-untyped-def]
    session, server, _ = pair
    thread = then(lambda: (server.receive(), session.abort()))
    assert isinstance(session.call("b", "run", {}, timeout_s=5.0), Crashed)
    thread.join(10)
