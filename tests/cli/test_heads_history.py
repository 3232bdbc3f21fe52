from __future__ import annotations

import pytest

from chimera_pipelines.cli.heads_history import stages
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.ledger.evidence import DEATH, REGENERATION, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger

TIMELINE = Timeline("HEAD_1", 1, 2, "killed", dict.fromkeys(Stage, 0.25))
STAGES = ["detect", "fence", "start", "gather", "rebuild", "decrypt", "verify", "resume"]


@pytest.fixture
def recorded(home):
    ledger = Ledger(f"sqlite:///{home / 'ledger.sqlite'}")
    when = "2026-08-01T09:00:00.000000Z"
    for event in (
        HeadEvent("HEAD_2", 1, "agent", DEATH, {"reason": "exit"}, when),
        HeadEvent("HEAD_1", 2, "agent", REGENERATION, TIMELINE.as_json(), when),
    ):
        ledger.record_head_event(event)
    ledger.close()


def test_json_shape(chimera, recorded):
    shown = chimera("heads", "history", "--json").json
    assert shown["schema"] == "chimera.heads.history/1"
    first, second = shown["events"]
    assert set(first) == {
        *("timestamp", "head", "incarnation", "agent", "event", "reason", "seconds", "stages"),
        "detail",
    }
    assert (first["event"], first["reason"], first["seconds"]) == ("regeneration", "killed", 2.0)
    assert [one["stage"] for one in first["stages"]] == STAGES
    assert Timeline.from_json(first["detail"]) == TIMELINE
    assert (second["head"], second["stages"], second["seconds"]) == ("HEAD_2", [], None)


def test_text_names_every_stage_with_its_time(chimera, recorded):
    text = chimera("heads", "history", "HEAD_1").out
    assert "killed" in text
    for stage in STAGES:
        assert f"{stage} 250 ms" in text
    assert "HEAD_2" not in text


def test_the_limit_takes_the_newest(chimera, recorded):
    shown = chimera("heads", "history", "--limit", "1", "--json").json
    assert [one["head"] for one in shown["events"]] == ["HEAD_1"]


def test_nothing_happened_yet(chimera):
    assert chimera("heads", "history", "--json").json["events"] == []
    assert chimera("heads", "history").code == 0


@pytest.mark.parametrize("arguments", [("HEAD_9",), ("--limit", "0"), ("--limit", "x")])
def test_wrong_arguments_are_usage(chimera, arguments):
    assert chimera("heads", "history", *arguments).code == 2


def test_an_event_without_a_timeline_has_no_stages():
    assert stages(HeadEvent("HEAD_1", 1, "a", DEATH, {"stages": "none"})) == []
