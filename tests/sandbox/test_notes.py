"""Notes in the worker, and through a real session: kept before an end, found by the next call."""

from __future__ import annotations

import threading

import pytest

from chimera_pipelines.digest import JSONValue, NotCanonicalError
from chimera_pipelines.sandbox import frames, notes
from chimera_pipelines.sandbox.frames import Message
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.notes import Notes, taker
from chimera_pipelines.sandbox.outcomes import Attachment, Crashed, Returned
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

KEEPING = """
import os, time
from chimera_pipelines import blocks

def count(to, crash):
    at = began = (blocks.restored("at") or {"n": 0})["n"]
    while at < to:
        at += 1
        time.sleep(0.3)
        blocks.checkpoint("at", {"n": at, "big": "x" * 100_000})
        if at == crash:
            os._exit(3)
    return {"began": began, "at": at}

def forge(raw):
    for fd in range(3, 40):
        try:
            os.write(fd, raw)
        except OSError:
            pass
    return {"x": 1}
"""
PRELOAD = ("chimera_pipelines.blocks.keeping",)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Notes that leave this process as a worker's, in the call of number 7."""
    found = list[Message]()

    def write(data: bytes) -> None:
        message = frames.Decoder(0).feed(data)
        assert message is not None
        found.append(message)

    monkeypatch.setattr(notes, "_book", None)
    notes.begin({"old": [1, 2]}, write, 7)
    return found


def test_a_note_leaves_at_most_once_in_a_while(kept: list[Message]) -> None:
    for n in range(3):
        notes.keep("a", lambda n=n: {"n": n})
    assert [message.head for message in kept] == [{"note": "a", "value": {"n": 0}, "id": 7}]
    assert notes.kept("old") == [1, 2]
    assert notes.kept("a") is None, "what this call keeps is for the next one"


def test_what_is_too_large_or_no_json_does_not_leave(kept: list[Message]) -> None:
    notes.keep("a", lambda: "x" * notes.MAX_BYTES)
    assert kept == []
    notes.begin({}, lambda _: None, 8)
    with pytest.raises(NotCanonicalError):
        notes.keep("a", lambda: float("nan"))


def test_names_count_what_a_call_does(kept: list[Message]) -> None:
    assert [notes.next_name("x"), notes.next_name("x")] == ["1 x", "2 x"]
    notes.begin({}, lambda _: None, 8)
    assert notes.next_name("x") == "1 x"


def test_without_a_call_nothing_is_kept(kept: list[Message]) -> None:
    notes.end()
    notes.keep("a", lambda: 1)
    assert (kept, notes.kept("old")) == ([], None)


@pytest.mark.parametrize(
    "head",
    [
        {"note": "a", "value": 1, "id": 8},
        {"note": "a" * 81, "value": 1, "id": 7},
        {"note": "a\n", "value": 1, "id": 7},
        {"note": 5, "value": 1, "id": 7},
        {"note": "a", "id": 7},
        {"outcome": "returned", "value": 1, "id": 7},
    ],
)
def test_what_is_no_note_is_not_taken(head: dict[str, object]) -> None:
    found = list[tuple[str, JSONValue]]()
    take = taker(Notes({}, lambda name, value: found.append((name, value))), 7)
    assert not take(Message(head))
    assert take(Message({"note": "a", "value": None, "id": 7}))
    assert not taker(None, 7)(Message({"note": "a", "value": None, "id": 7}))
    assert found == [("a", None)]


def test_a_call_goes_on_where_the_one_before_was_cut_off(any_tier: Tier, limits: Limits) -> None:
    held = dict[str, JSONValue]()
    for crash, ends in ((3, Crashed), (0, Returned)):
        with Session(any_tier, limits, preload=PRELOAD) as session:
            loaded = session.load("a", KEEPING)
            assert isinstance(loaded, Returned), loaded
            given = Notes(dict(held), held.__setitem__)
            outcome = session.call("a", "count", {"to": 5, "crash": crash}, notes=given)
            assert isinstance(outcome, ends), outcome
    assert outcome == Returned({"began": 3, "at": 5})


def test_forged_notes_are_taken_for_what_they_are(any_tier: Tier, limits: Limits) -> None:
    """Where none are asked for they end the session; else they are one more note."""
    raw = Attachment("application/octet-stream", frames.encode({"note": "a", "value": 1, "id": 2}))
    held = dict[str, JSONValue]()
    for asked, ends in ((None, Crashed), (Notes({}, held.__setitem__), Returned)):
        with Session(any_tier, limits, preload=PRELOAD) as session:
            session.load("a", KEEPING)
            outcome = session.call(
                "a", "forge", {"raw": {"$attachment": 0}}, attachments=[raw], notes=asked
            )
            assert isinstance(outcome, ends), outcome
    assert held == {"a": 1}


def test_a_thread_that_goes_on_keeps_nothing_after_its_call(kept: list[Message]) -> None:
    notes.end()
    thread = threading.Thread(target=notes.keep, args=("a", lambda: 1))
    thread.start()
    thread.join()
    assert kept == []
