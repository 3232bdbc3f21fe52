from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.state import KINDS, HeadEntry, State


def state(**changes) -> State:
    before = Predecessor(2, "killed by SIGKILL", 9, 0.1, 0.0, 12.5)
    heads = {head: HeadEntry(kind, "cpu") for head, kind in KINDS.items()}
    heads["HEAD_1"] = HeadEntry(
        "quantum", "cpu", "unix:HEAD_1.3.sock", 12, 99, 3, "idle", 1.5, 0.02, before
    )
    whole = State("ab", 11, 98, b"s" * 32, {"toy": "a:B"}, "sha256:0", heads)
    return replace(whole, **changes)


def test_round_trip_through_text():
    value = json.loads(json.dumps(state().as_json(secret=True)))
    assert State.from_json(value) == state()


def test_a_frame_has_no_secret():
    value = state().as_json(secret=False)
    assert b"s".hex() * 8 not in json.dumps(value)
    assert State.from_json(value, secret=b"s" * 32) == state()
    assert (b"s" * 32).hex() not in repr(state())


@pytest.mark.parametrize(
    "change", [{"protocol": 2}, {"schema": "chimera.heads.state/9"}, {"protocol": None}]
)
def test_another_version_is_said_so(change):
    with pytest.raises(HeadUnavailableError) as refused:
        State.from_json({**state().as_json(secret=True), **change})
    assert refused.value.code == "CHIM712"


def test_a_head_answers_when_it_has_a_process():
    assert state().heads["HEAD_1"].answers
    assert not state().heads["HEAD_2"].answers
