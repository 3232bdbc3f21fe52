"""What only a database server can do: be away, come back, refuse, and be waited for in vain."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger import connection
from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.ledger.ledger import Ledger
from tests.ledger.test_ledger import RUN, grant, row
from tests.postgresql import PASSWORD, Server


@pytest.fixture
def url(mortal_server: Server) -> str:
    return mortal_server.create()


@pytest.fixture
def ledger(url: str):
    made = Ledger(url)
    yield made
    made.close()


def test_a_server_that_is_not_there_is_an_error_at_once_with_a_hint(mortal_server, url):
    mortal_server.stop()
    started = time.monotonic()
    with pytest.raises(SettingsError) as raised:
        Ledger(url).granted(RUN)
    assert time.monotonic() - started < connection.RECONNECT_S
    assert raised.value.code == "CHIM226"
    assert "refused" in raised.value.message
    assert "CHIMERA_LEDGER_URL" in (raised.value.hint or "")
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("part", "other", "reason"),
    [
        (PASSWORD, "wrong", "password authentication failed"),
        ("/t_", "/none_", "does not exist"),
    ],
)
def test_a_wrong_url_is_an_error_without_the_password(url, part, other, reason):
    with pytest.raises(SettingsError) as raised:
        Ledger(url.replace(part, other, 1)).granted(RUN)
    assert raised.value.code == "CHIM226"
    assert reason in raised.value.message
    assert PASSWORD not in str(raised.value)


def test_a_crash_of_the_server_between_two_transactions_is_not_noticed(mortal_server, ledger):
    ledger.record([grant(), row("a")])
    mortal_server.stop()
    mortal_server.start()
    assert ledger.granted(RUN)
    ledger.record([row("b")])
    assert ledger.verify_chain() > 0


def test_a_server_that_comes_back_late_is_waited_for(mortal_server, ledger):
    ledger.record([grant()])
    mortal_server.stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ledger.record, [row("a")])
        time.sleep(0.5)
        assert not waiting.done()
        mortal_server.start()
        assert waiting.result(60) == 1
    ledger.verify_chain()


def test_a_server_that_does_not_come_back_is_waited_for_once(mortal_server, ledger, monkeypatch):
    ledger.record([grant()])
    mortal_server.stop()
    monkeypatch.setattr(connection, "RECONNECT_S", 0.3)
    with pytest.raises(SettingsError, match="cannot be used"):
        ledger.record([row("a")])
    monkeypatch.setattr(connection, "RECONNECT_S", 600.0)
    with pytest.raises(SettingsError):  # at once: nobody waits ten minutes in a test
        ledger.record([row("a")])
    mortal_server.start()
    assert ledger.record([row("a")]) == 1


def test_a_transaction_that_the_server_broke_off_left_nothing(mortal_server, ledger):
    ledger.record([row("a")])

    def write() -> None:
        with ledger._connections.writing() as found:
            found.exec_driver_sql("DELETE FROM tickets")
            mortal_server.stop()
            mortal_server.start()
            found.exec_driver_sql("DELETE FROM chain")

    with pytest.raises(SettingsError) as raised:
        write()
    assert raised.value.code == "CHIM226"
    ledger.verify_chain()
    assert ledger.find_reusable("sha256:i", "quantum") is not None


def test_a_writer_that_hangs_is_not_waited_for_for_ever(url, ledger, monkeypatch):
    monkeypatch.setattr(connection, "BUSY_S", 0.3)
    ledger.record([grant()])
    impatient = Ledger(url)
    held, done = threading.Event(), threading.Event()

    def hang() -> None:
        with ledger._connections.writing():
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hang)
        try:
            assert held.wait(60)
            assert impatient.granted(RUN)  # readers are not held up
            with pytest.raises(SettingsError, match="lock timeout"):
                impatient.record([row("a")])
        finally:
            done.set()
    assert impatient.record([row("a")]) == 1
    impatient.close()


def test_counts_come_back_with_the_server(mortal_server, url, ledger):
    ledger.record([row("a")])
    counting = Counting(url)
    assert counting.now().blocks == {("quantum", "ok"): 1}
    mortal_server.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "RECONNECT_S", 0.1)
        with pytest.raises(SettingsError):
            counting.now()
    mortal_server.start()
    ledger.record([row("b")])
    assert counting.now().blocks == {("quantum", "ok"): 2}
    counting.close()
