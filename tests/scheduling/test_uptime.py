from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.evidence import DEATH, REGENERATION, START, STOP, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger, TicketRow
from chimera_pipelines.scheduling.uptime import (
    OUTCOMES_QUERY,
    UPTIME_QUERY,
    WINDOW_S,
    Health,
    LedgerHealth,
    PrometheusHealth,
    downtime_s,
    error_rate,
)
from chimera_pipelines.timestamps import NS, timestamp

NOW = 1_800_000_000 * NS
SINCE = NOW - WINDOW_S * NS


def event(ago_s: float, kind: str, **detail) -> HeadEvent:
    return HeadEvent("HEAD_1", 1, "agent", kind, detail, timestamp(NOW - int(ago_s * NS)))


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], 0.0),
        ([event(600, START)], 0.0),
        ([event(600, DEATH)], 600.0),
        ([event(600, DEATH), event(500, REGENERATION, seconds=7.0)], 100.0),
        ([event(500, REGENERATION, seconds=7.0)], 7.0),
        ([event(500, REGENERATION, seconds=7.0, reason="restart")], 0.0),
        ([event(600, DEATH), event(590, DEATH), event(500, START)], 100.0),
        ([event(600, DEATH), event(590, STOP), event(500, START)], 10.0),
        ([event(9_000, DEATH), event(3_500, START)], 100.0),
        ([event(9_000, DEATH), event(8_000, START)], 0.0),
        ([event(9_000, DEATH)], 3_600.0),
    ],
)
def test_a_head_is_down_from_its_death_until_it_is_back(events, seconds) -> None:
    assert downtime_s(events[::-1], SINCE, NOW) == pytest.approx(seconds)


def test_one_failure_is_no_rate() -> None:
    assert error_rate(1, 1) == pytest.approx(1 / 6)
    assert error_rate(100, 100) > 0.95


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_an_error_rate_is_a_share(errors: float, others: float) -> None:
    assert 0.0 <= error_rate(errors, errors + others) <= 1.0


def test_health_from_the_ledger(tmp_path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.record_head_event(event(1800, DEATH, reason="exit"))
    stamp = timestamp(NOW - 60 * NS)
    for leaf, when in (("old", "2020-01-01T00:00:00Z"), ("a", stamp), ("b", stamp)):
        common = (leaf, "urn:uuid:x", "bell", 1, "TICKET", when, "d", "k", "s")
        ledger.record([TicketRow(*common, status="failed", head="HEAD_2")])
    found = LedgerHealth(ledger).read(NOW)
    # The death itself is an observation too: one error and none good.
    assert found["HEAD_1"] == Health(pytest.approx(0.5), pytest.approx(1 / 6))
    assert found["HEAD_2"] == Health(1.0, pytest.approx(1 / 7))
    assert found["HEAD_3"] == Health()
    ledger.close()


def vector(*samples: tuple[dict[str, str], str]) -> bytes:
    result = [{"metric": labels, "value": [1.0, value]} for labels, value in samples]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}}
    ).encode()


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes] | bytes, int], str]]:
    servers = []

    def start(answers: dict[str, bytes] | bytes, status: int = 200) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                split = urlsplit(self.path)
                asked = parse_qs(split.query)["query"][0]
                body = answers if isinstance(answers, bytes) else answers[asked]
                known = self.headers.get("Authorization") == "Basic dXNlcjpzZWNyZXQ="
                found = known and split.path == "/prom/api/v1/query"
                self.send_response(status if found else 404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://user:secret@127.0.0.1:{server.server_port}/prom/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_health_from_prometheus(serve) -> None:
    ups = [({"head": "HEAD_1"}, "0.75"), ({"head": "HEAD_2"}, "NaN"), ({}, "0.1")]
    outcomes = [
        ({"head": "HEAD_1", "outcome": "ok"}, "10"),
        ({"head": "HEAD_1", "outcome": "fault"}, "5"),
        ({"head": "HEAD_3", "outcome": "document"}, "4"),
        ({"head": "HEAD_3"}, "4"),
    ]
    url = serve({UPTIME_QUERY: vector(*ups), OUTCOMES_QUERY: vector(*outcomes)})
    assert PrometheusHealth(url).read(NOW) == {
        "HEAD_1": Health(0.75, 5 / 20),
        "HEAD_3": Health(1.0, 0.0),
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"not json", 200),
        (b"[]", 200),
        (b"{}", 200),
        (b'{"status": "error", "error": "bad query"}', 200),
        (b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', 200),
        (b'{"status": "success", "data": {"resultType": "vector", "result": [1]}}', 200),
        (vector(({"head": "HEAD_1"}, "many")), 200),
        (vector(), 503),
    ],
)
def test_an_answer_that_cannot_be_used_is_coded(serve, body: bytes, status: int) -> None:
    with pytest.raises(SettingsError) as raised:
        PrometheusHealth(serve(body, status)).read(NOW)
    assert raised.value.code == "CHIM732"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "file:///etc/passwd", "nonsense", "http://["]
)
def test_a_server_that_is_not_there_is_coded(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        PrometheusHealth(url).read(NOW)
    assert raised.value.code == "CHIM732"


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        PrometheusHealth("http://user:secret@127.0.0.1:1").read(NOW)
    assert "secret" not in str(raised.value)
