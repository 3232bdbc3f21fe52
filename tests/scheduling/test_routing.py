from __future__ import annotations

import logging

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.evidence import DEATH, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling import routing
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import Job
from chimera_pipelines.scheduling.uptime import LedgerHealth, PrometheusHealth
from chimera_pipelines.settings import Settings

ABSENT = "http://127.0.0.1:1"


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch):
    monkeypatch.setattr(routing, "_reported", set())


def test_a_run_draws_by_its_id(ledger):
    jobs = [Job(str(at), "k", ("HEAD_1", "HEAD_2")) for at in range(40)]

    def play(run_id):
        made = routing.open_router(ledger, Settings(), run_id=run_id)
        return [made.choose([job], job.heads)[1] for job in jobs]

    assert play("01A") == play("01A")
    # 40 fair draws are the same again with p = 1e-12.
    assert play("01A") != play("01B")


def test_threshold_reputation_and_last_hour_come_together(ledger):
    ledger.record_head_event(HeadEvent("HEAD_1", 1, "agent", DEATH, {"reason": "exit"}))
    made = routing.open_router(ledger, Settings(critical_reputation=0.7), run_id="01A")
    assert made.threshold == 0.7
    assert made.reputations["HEAD_1"].beta > Reputation("HEAD_1").beta
    assert made.reputations["HEAD_1"].error_rate > 0
    assert made.reputations["HEAD_2"] == Reputation("HEAD_2")


def test_settings_say_who_is_asked(ledger):
    assert isinstance(routing.health_source(ledger, Settings()), LedgerHealth)
    named = Settings(prometheus_url=ABSENT)
    assert isinstance(routing.health_source(ledger, named), PrometheusHealth)


def test_a_silent_prometheus_is_reported_once_and_the_ledger_is_not_taken_for_it(ledger, caplog):
    ledger.record_head_event(HeadEvent("HEAD_1", 1, "agent", DEATH, {"reason": "exit"}))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found = routing.current(ledger, Settings(prometheus_url=ABSENT))
    assert [record.message.split()[0] for record in caplog.records] == ["CHIM732"]
    assert (found["HEAD_1"].uptime, found["HEAD_1"].error_rate) == (1.0, 0.0)
    assert found["HEAD_1"].beta > Reputation("HEAD_1").beta


@pytest.mark.parametrize("url", ["ftp://x", "http://["])
def test_an_address_that_is_none_is_reported_alike(ledger, caplog, url):
    routing.current(ledger, Settings(prometheus_url=url))
    assert "CHIM732" in caplog.text


def test_a_ledger_that_cannot_be_used_stops_the_run(tmp_path):
    (tmp_path / "junk").write_bytes(b"no database" * 500)
    with pytest.raises(SettingsError) as raised:
        routing.current(Ledger(f"sqlite:///{tmp_path / 'junk'}"), Settings())
    assert raised.value.code == "CHIM226"
