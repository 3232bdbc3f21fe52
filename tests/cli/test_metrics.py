from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
import urllib.request

import pytest

from chimera_pipelines.cli import metrics
from chimera_pipelines.ledger.ledger import Ledger, RunRow


@pytest.fixture
def scrape(capsys, monkeypatch):
    """Scrapes what a `chimera metrics` of this process serves, then asks it to end."""
    urls: list[str] = []
    bodies: list[str] = []
    note = metrics.Terminal.note
    monkeypatch.setattr(
        metrics.Terminal, "note", lambda self, text: (urls.append(text), note(self, text))
    )

    def work(number: int) -> None:
        deadline = time.monotonic() + 60
        while not urls and time.monotonic() < deadline:
            time.sleep(0.01)
        if urls:
            bodies.append(urllib.request.urlopen(urls[0], timeout=30).read().decode())
            os.kill(os.getpid(), number)

    def start(number: int) -> list[str]:
        threading.Thread(target=work, args=(number,), daemon=True).start()
        return bodies

    return start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_well(chimera, home, scrape, number):
    ledger = Ledger(f"sqlite:///{home / 'ledger.sqlite'}")
    ledger.record_run(RunRow("r", "d", "ok", "t"))
    ledger.close()
    before = signal.getsignal(number)
    bodies = scrape(number)
    called = chimera("metrics", "--port", 0, "--json")
    assert called.code == 0
    assert called.json["schema"] == "chimera.metrics/1"
    assert re.search(r"^chimera_ledger_entries_total 1\.0$", bodies[0], re.MULTILINE)
    assert 'chimera_head_up{head="HEAD_4"} 0.0' in bodies[0]
    assert signal.getsignal(number) is before


def test_a_port_in_use_is_said(chimera):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        called = chimera("metrics", "--port", taken.getsockname()[1])
    assert called.code == 2
    assert "CHIM240" in called.err
    assert "use" in called.err
