"""Outcomes and values pass a frame and come out equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.lifecycle import session_frames
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    Frame,
    Limit,
    LimitExceeded,
    NotJSON,
    Outcome,
    Raised,
    Returned,
)
from chimera_pipelines.sandbox.tiers import Tier

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ATTACHMENTS = st.lists(st.builds(Attachment, st.text(), st.binary()), max_size=3).map(tuple)
OUTCOMES = [
    Raised("ValueError", "x", "b", 2, None, (Frame("b", "run", 2, None, "raise"),), "out", "err"),
    Raised("KeyError", "y"),
    NotJSON("a set", "$.x", "out"),
    LimitExceeded(Limit.WALL, 1.5, "s"),
    Crashed("SIGSEGV", None, block="b", line=3),
    Crashed(None, 3, "out", "err"),
]


def through(outcome: Outcome) -> Outcome:
    frame, buffers = session_frames.outcome_json(outcome)
    sent = json.loads(json.dumps(frame, allow_nan=False))
    return session_frames.outcome_of(sent, [memoryview(bytes(b)) for b in buffers])


@given(VALUES, ATTACHMENTS, st.text(), st.text())
def test_what_a_call_returned(value: Any, attached: Any, out: str, err: str) -> None:
    outcome = Returned(value, attached, out, err)
    assert through(outcome) == outcome


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_how_else_a_call_ended(outcome: Outcome) -> None:
    assert through(outcome) == outcome


def test_numbers_that_are_no_json_pass_to_who_judges_them() -> None:
    found = through(Returned({"x": float("inf")}))
    assert isinstance(found, Returned)
    assert found.value == {"x": float("inf")}


def test_attachments_and_their_media_must_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        session_frames.value_of(["application/x-npy"], [b"{}"])


def test_a_spec() -> None:
    spec = SessionSpec(Tier.LANDLOCK, ("numpy", "torch"), 12.5)
    assert session_frames.spec_of(json.loads(json.dumps(session_frames.spec_json(spec)))) == spec
