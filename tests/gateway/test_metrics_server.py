from __future__ import annotations

import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from chimera_pipelines.errors import SettingsError, UsageError
from chimera_pipelines.gateway.metrics_server import MetricsServer


class One(Collector):
    """A collector of one gauge, or of an error."""

    error: Exception | None = None

    def collect(self):
        if self.error is not None:
            raise self.error
        yield GaugeMetricFamily("chimera_one", "One.", value=1)


@pytest.fixture
def one():
    return One()


@pytest.fixture
def server(one):
    with MetricsServer(one, host="127.0.0.1", port=0) as made:
        yield made


def get(url: str, **headers: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as found:
            return found.status, found.headers["Content-Type"], found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_are_served_as_text_and_as_openmetrics(server):
    status, content, body = get(server.url)
    assert (status, content.partition(";")[0]) == (200, "text/plain")
    assert "chimera_one 1.0" in body.splitlines()
    wanted = "application/openmetrics-text;version=1.0.0"
    _, content, body = get(server.url, Accept=wanted)
    assert content.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_other_paths_are_not_there(server):
    status, _, body = get(server.url.replace("/metrics", "/"))
    assert (status, body) == (404, "metrics are at /metrics\n")


def test_a_query_is_left_alone(server):
    assert get(f"{server.url}?x=1")[0] == 200


def test_what_cannot_be_counted_is_a_503_that_says_why_and_passes(server, one):
    one.error = SettingsError("CHIM241", "there is no ledger", hint="run a document")
    status, content, body = get(server.url)
    assert (status, content) == (503, "text/plain; charset=utf-8")
    assert body == "CHIM241 there is no ledger  [run a document]\n"
    one.error = None
    assert get(server.url)[0] == 200


def test_a_fault_of_ours_is_a_500_without_its_text(server, one):
    one.error = KeyError("secret")
    status, _, body = get(server.url)
    assert status == 500
    assert "secret" not in body


def test_scrapes_at_once_are_all_answered(server):
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _, _ in pool.map(get, [server.url] * 32)} == {200}


def test_a_port_in_use_is_an_error(server, one):
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(UsageError) as raised:
        MetricsServer(one, host="127.0.0.1", port=port)
    assert raised.value.code == "CHIM240"
    with pytest.raises(UsageError):
        MetricsServer(one, host="no.such.host.invalid", port=0)


def test_a_client_that_says_nothing_holds_nobody_up(server):
    host = server.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.create_connection((host[0], int(host[1]))):
        assert get(server.url)[0] == 200
