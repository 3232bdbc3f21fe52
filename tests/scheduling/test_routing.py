from __future__ import annotations

import logging
import threading
from dataclasses import replace
from itertools import chain, repeat

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.evidence import DEATH, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling import routing
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import REFRESH_S, Job, NoHeadError
from chimera_pipelines.scheduling.uptime import Health, PrometheusHealth
from chimera_pipelines.settings import Settings

ABSENT = "http://127.0.0.1:1"


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch):
    monkeypatch.setattr(routing, "_watches", {})


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


def test_a_silent_prometheus_is_reported_once_and_the_ledger_is_not_taken_for_it(ledger, caplog):
    ledger.record_head_event(HeadEvent("HEAD_1", 1, "agent", DEATH, {"reason": "exit"}))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found = routing.current(ledger, Settings(prometheus_url=ABSENT))
    assert [record.message.split()[0] for record in caplog.records] == ["CHIM732"]
    assert (found["HEAD_1"].uptime, found["HEAD_1"].error_rate) == (1.0, 0.0)
    assert found["HEAD_1"].beta > Reputation("HEAD_1").beta


def test_who_chooses_does_not_wait_for_prometheus(ledger, monkeypatch):
    may, uptimes = threading.Event(), chain([0.75], repeat(0.25))
    may.set()

    def read(*_):
        assert may.wait(60)
        return {"HEAD_1": Health(uptime=next(uptimes))}

    monkeypatch.setattr(PrometheusHealth, "read", read)
    settings = Settings(prometheus_url=ABSENT)
    made = routing.open_router(ledger, settings, run_id="01A")
    may.clear()
    job = Job("a", "k", ("HEAD_1",))
    for now in (0.0, REFRESH_S):
        assert made.choose([job], ["HEAD_1"], now=now) == (job, "HEAD_1")
    assert made.reputations["HEAD_1"].uptime == 0.75
    may.set()
    assert routing.current(ledger, settings)["HEAD_1"].uptime == 0.25


@pytest.mark.parametrize("url", ["ftp://x", "http://["])
def test_an_address_that_is_none_is_reported_alike(ledger, caplog, url):
    routing.current(ledger, Settings(prometheus_url=url))
    assert "CHIM732" in caplog.text


def test_a_ledger_that_cannot_be_used_stops_the_run(tmp_path):
    (tmp_path / "junk").write_bytes(b"no database" * 500)
    with pytest.raises(SettingsError) as raised:
        routing.current(Ledger(f"sqlite:///{tmp_path / 'junk'}"), Settings())
    assert raised.value.code == "CHIM226"


def dead(head: str, times: int) -> list[HeadEvent]:
    return [HeadEvent(head, n, "agent", DEATH, {"reason": "exit"}) for n in range(times)]


def test_deaths_during_the_run_count_a_little_later(ledger):
    made = routing.open_router(ledger, Settings(), run_id="01A")
    job = Job("a", "k", ("HEAD_1",), critical=True)
    assert made.choose([job], ["HEAD_1"], now=0.0) == (job, "HEAD_1")
    for event in dead("HEAD_1", 9):
        ledger.record_head_event(event)
    assert made.choose([job], ["HEAD_1"], now=1.0) == (job, "HEAD_1")
    with pytest.raises(NoHeadError):
        made.choose([job], ["HEAD_1"], now=REFRESH_S)


def test_a_critical_kernel_is_not_tried_again_on_the_head_that_just_failed_it(ledger):
    made = routing.open_router(ledger, Settings(), run_id="01A")
    job = Job("a", "k", ("HEAD_1", "HEAD_2"), critical=True)
    assert made.choose([job], ["HEAD_1"], now=0.0) == (job, "HEAD_1")
    ledger.record_head_event(dead("HEAD_1", 1)[0])
    again = replace(job, attempt=2)
    assert made.choose([again], ["HEAD_1"], busy=["HEAD_2"], now=0.1) is None
    assert made.choose([again], ["HEAD_1", "HEAD_2"], now=0.2) == (again, "HEAD_2")


def test_a_ledger_that_goes_away_during_the_run_is_said(ledger, caplog, monkeypatch):
    made = routing.open_router(ledger, Settings(), run_id="01A")

    def broken(*_):
        raise SettingsError("CHIM226", "ledger is away")

    monkeypatch.setattr(ledger, "standing", broken)
    job = Job("a", "k", ("HEAD_1",))
    for now in (0.0, 10.0):
        assert made.choose([job], ["HEAD_1"], now=now) == (job, "HEAD_1")
    assert "CHIM226" in caplog.text
