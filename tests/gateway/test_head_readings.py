from __future__ import annotations

import pytest

from chimera_pipelines.gateway.head_readings import head_readings
from chimera_pipelines.ledger.evidence import DEATH, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield made
    made.close()


def test_without_an_agent_all_heads_are_down(ledger):
    found = head_readings({}, ledger)
    assert [(one.head, one.kind, one.up, one.busy, one.queued) for one in found] == [
        ("HEAD_1", "quantum", False, False, 0),
        ("HEAD_2", "quantum", False, False, 0),
        ("HEAD_3", "ai", False, False, 0),
        ("HEAD_4", "ai", False, False, 0),
    ]


@pytest.mark.parametrize(
    ("state", "up", "busy"),
    [
        ("idle", True, False),
        ("busy", True, True),
        ("starting", False, False),
        ("regenerating", False, False),
        ("down", False, False),
    ],
)
def test_a_head_is_up_when_it_can_work(ledger, state, up, busy):
    found = head_readings({"HEAD_2": {"state": state, "queued": 3}}, ledger)[1]
    assert (found.up, found.busy, found.queued) == (up, busy, 3)


def test_a_death_costs_reputation(ledger):
    ledger.record_head_event(HeadEvent("HEAD_3", 1, "agent", DEATH, {"reason": "killed"}))
    found = {one.head: one.reputation for one in head_readings({}, ledger)}
    assert 0 < found["HEAD_3"] < found["HEAD_4"] < 1
