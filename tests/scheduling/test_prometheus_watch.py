from __future__ import annotations

import logging
import threading
import time

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.scheduling import prometheus_watch as module
from chimera_pipelines.scheduling.prometheus_watch import PrometheusWatch
from chimera_pipelines.scheduling.uptime import Health, PrometheusHealth

WELL = {"HEAD_1": Health(0.5, 0.1)}
LONG_S = 30.0


class Server:
    """Answers when it may."""

    def __init__(self, monkeypatch):
        self.may = threading.Event()
        self.asked = 0
        self.error = None
        monkeypatch.setattr(PrometheusHealth, "read", lambda *_: self.read())

    def read(self):
        self.asked += 1
        assert self.may.wait(LONG_S)
        if self.error is not None:
            raise self.error
        return WELL


@pytest.fixture
def server(monkeypatch):
    made = Server(monkeypatch)
    yield made
    made.may.set()


@pytest.fixture
def watch():
    return PrometheusWatch("http://127.0.0.1:1")


def test_nobody_waits_for_a_server_that_hangs_and_it_is_asked_once(server, watch, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert watch.health() == {}
        assert caplog.text == ""
        watch._began -= module.PATIENCE_S
        watch.health()
        watch.health()
    assert server.asked == 1
    assert caplog.text.count("CHIM732") == 1
    server.may.set()
    assert watch.health(wait_s=LONG_S) == WELL


def test_an_answer_serves_until_it_is_too_old(server, watch, monkeypatch):
    server.may.set()
    assert watch.health(wait_s=LONG_S) == WELL
    server.may.clear()
    assert watch.health() == WELL
    monkeypatch.setattr(module, "STALE_S", 0.0)
    assert watch.health() == {}


def test_a_server_that_fails_is_left_alone_for_a_while(server, watch, caplog, monkeypatch):
    server.error = SettingsError("CHIM732", "no usable answer")
    server.may.set()
    with caplog.at_level(logging.WARNING):
        assert watch.health(wait_s=LONG_S) == {}
        assert watch.health(wait_s=LONG_S) == {}
    assert server.asked == 1
    assert caplog.text.count("CHIM732") == 1
    monkeypatch.setattr(module, "SILENT_S", 0.0)
    server.error = None
    assert watch.health(wait_s=LONG_S) == WELL


def test_a_fault_while_asking_ends_no_wait_late(server, watch, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    server.error = RuntimeError("a fault")
    server.may.set()
    began = time.monotonic()
    assert watch.health(wait_s=LONG_S) == {}
    assert time.monotonic() - began < LONG_S
