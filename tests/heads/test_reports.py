from __future__ import annotations

from dataclasses import replace

from chimera_pipelines.heads.reports import rows_of_status, rows_without_agent
from chimera_pipelines.heads.state import KINDS
from tests.heads.test_state import state


def rows(beat, **entry):
    whole = state()
    heads = {**whole.heads, "HEAD_1": replace(whole.heads["HEAD_1"], **entry)}
    frame = {
        "state": replace(whole, heads=heads).as_json(secret=False),
        "heads": {head: {"beat": beat if head == "HEAD_1" else {}} for head in KINDS},
    }
    return rows_of_status(frame, now=11.5)


def test_a_busy_head_is_what_its_beat_says():
    beat = {"busy": True, "step": "k.embed", "queued": 2, "registers": 1, "register_bytes": 64}
    assert rows(beat)[0] == {
        "head": "HEAD_1",
        "kind": "quantum",
        "device": "cpu",
        "state": "busy",
        "pid": 12,
        "incarnation": 3,
        "step": "k.embed",
        "queued": 2,
        "registers": 1,
        "register_bytes": 64,
        "uptime_s": 10.0,
        "reputation": None,
    }


def test_a_head_that_comes_back_is_not_busy_whatever_the_last_beat_said():
    row = rows({"busy": True, "step": "k.embed"}, state="regenerating")[0]
    assert (row["state"], row["step"]) == ("regenerating", None)


def test_heads_that_are_down():
    assert [row["state"] for row in rows({})[1:]] == ["down"] * 3
    assert [row["uptime_s"] for row in rows({})[1:]] == [None] * 3


def test_without_an_agent_all_are_down_and_numbers_are_remembered():
    found = rows_without_agent("cpu", {"HEAD_2": 7})
    assert [row["head"] for row in found] == list(KINDS)
    assert {row["state"] for row in found} == {"down"}
    assert [row["incarnation"] for row in found] == [0, 7, 0, 0]
