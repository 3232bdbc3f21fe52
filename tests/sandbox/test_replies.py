from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.sandbox import replies
from chimera_pipelines.sandbox.frames import Message
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Limit, LimitExceeded, NotJSON, Raised, Returned

OUTPUT = ("out", "err")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda part: st.lists(part, max_size=5) | st.dictionaries(st.text(max_size=3), part),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"id": st.just(1), "outcome": st.sampled_from(["returned", "raised", "not_json", "limit"])},
        optional=dict.fromkeys(("value", "kind", "message", "frames", "path", "limit"), JSON),
    )
)
def test_any_answer_is_an_outcome_or_none(head: dict[str, object]) -> None:
    outcome = replies.read(Message(head), 1, Limits(), OUTPUT)
    assert outcome is None or isinstance(outcome, Returned | Raised | NotJSON | LimitExceeded)


def test_an_answer_to_another_request_is_none() -> None:
    head: dict[str, object] = {"id": 2, "outcome": "returned", "value": 1}
    assert replies.read(Message(head), 1, Limits(), OUTPUT) is None
    assert replies.read(Message(head), 2, Limits(), OUTPUT) == Returned(1, (), "out", "err")


def test_limits_are_ours_not_the_answers() -> None:
    head: dict[str, object] = {"id": 1, "outcome": "limit", "limit": "memory", "allowed": 9}
    outcome = replies.read(Message(head), 1, Limits(memory_bytes=5), OUTPUT)
    assert outcome == LimitExceeded(Limit.MEMORY, 5, "bytes", "out", "err")


def test_long_texts_are_cut() -> None:
    frame = ["b", "f", 1, None, "s" * 100_000]
    head: dict[str, object] = {"id": 1, "outcome": "raised", "kind": "E", "frames": [frame] * 100}
    outcome = replies.read(Message(head | {"message": "m" * 100_000}), 1, Limits(), OUTPUT)
    assert isinstance(outcome, Raised)
    assert len(outcome.message) == len(outcome.frames[0].source) == 8192
    assert len(outcome.frames) == 64


@pytest.mark.parametrize("line", ["line 3 in run", "line 99999999999999 in run", "line x in run"])
def test_crash_lines_are_read_with_care(line: str) -> None:
    files = {"d.maml.md": ("k", 3)}
    stack = f'  File "numpy.py", line 1 in f\n  File "d.maml.md", {line}\n'
    stderr = f"Fatal Python error: Aborted\n\nStack\n{stack}"
    crash = replies.crash("SIGABRT", None, ("", stderr), files)
    assert (crash.block, crash.line) == (("k", 1) if line == "line 3 in run" else (None, None))
    assert replies.crash(None, 0, ("", stderr), files).block is None


def test_aborts_for_want_of_memory_are_known() -> None:
    assert replies.tells_of_memory("SIGABRT", "memory allocation of 99 bytes failed\n")
    assert not replies.tells_of_memory(None, "memory allocation of 99 bytes failed\n")
    assert not replies.tells_of_memory("SIGABRT", "assertion failed\n")
