from __future__ import annotations

import sqlite3

import pytest

from chimera_pipelines.errors import HistoryError
from chimera_pipelines.ledger import tables
from chimera_pipelines.ledger.evidence import (
    DEATH,
    REGENERATION,
    START,
    HeadEvent,
    Observation,
    StandingRow,
    blame,
)
from chimera_pipelines.ledger.ledger import Ledger
from tests.ledger.conftest import edit
from tests.ledger.test_ledger import row

NEW = ("documents", "head_events", "observations", "standings")


def event(incarnation: int, kind: str = START, head: str = "HEAD_1", **detail) -> HeadEvent:
    return HeadEvent(head, incarnation, "agent", kind, detail, "2026-08-01T09:00:00Z")


def test_events_come_back_newest_first(ledger):
    stages = [{"stage": "detect", "seconds": 0.25}]
    recorded = [event(1), event(2, REGENERATION, stages=stages), event(1, head="HEAD_2")]
    for one in recorded:
        ledger.record_head_event(one)
    assert ledger.head_events() == tuple(recorded[::-1])
    assert ledger.head_events("HEAD_1", 1) == (recorded[1],)
    assert ledger.head_events("HEAD_9") == ()


def test_an_event_without_a_time_happened_now(ledger):
    ledger.record_head_event(HeadEvent("HEAD_1", 1, "agent", START))
    assert ledger.head_events()[0].timestamp.startswith("20")


@pytest.mark.parametrize(
    ("kind", "reason", "observed"),
    [
        (START, "exit", 0),
        (DEATH, "exit", 1),
        (REGENERATION, "hang", 1),
        (REGENERATION, "restart", 0),
        (DEATH, "stop", 0),
    ],
)
def test_what_speaks_against_a_head(ledger, kind, reason, observed):
    ledger.record_head_event(event(1, kind, reason=reason))
    assert [one.status for one in ledger.observations("HEAD_1")] == [reason] * observed


def test_the_same_death_of_two_agents_heads_is_two(ledger):
    for agent in ("one", "two", "one"):
        ledger.record_head_event(HeadEvent("HEAD_1", 1, agent, DEATH, {"reason": "exit"}))
    assert len(ledger.observations("HEAD_1")) == 2


def test_tickets_are_observed_once_in_order(ledger):
    ledger.record([row("a"), row("b", status="failed"), row("c", status="reused")])
    ledger.record([row("a"), row("d", head="HEAD_2")])
    found = ledger.observations("HEAD_1")
    assert [(one.reference, one.status) for one in found] == [("a", "ok"), ("b", "failed")]
    assert ledger.observations("HEAD_1", found[0].id) == found[1:]
    assert ledger.observations("HEAD_1", 0, 1) == found[:1]
    assert ledger.latest_observations("HEAD_1", 1) == found[1:]


def test_blame_is_a_share():
    one = Observation(1, "HEAD_1", "ticket", "a", "failed", "t", code="CHIM715")
    assert blame(one) == 1.0


def test_the_last_standing_counts_and_is_not_written_twice(ledger):
    rows = [StandingRow("HEAD_1", upto, {"good": 0.1 + upto}) for upto in (64, 128)]
    for one in (rows[0], rows[1], rows[1]):
        ledger.record_standing(one)
    assert ledger.standing("HEAD_1") == rows[1]
    assert ledger.standing("HEAD_2") is None
    assert ledger.verify_chain() == 2


def test_the_last_tickets_of_a_head(ledger):
    ledger.record([row(leaf, seq=at) for at, leaf in enumerate("abc", 1)])
    ledger.record([row("d", head="HEAD_2", seq=4)])
    assert [one.leaf for one in ledger.last_tickets("HEAD_1", 2)] == ["c", "b"]


def test_a_document_is_where_it_was_last_seen(ledger):
    assert ledger.document_path("urn:uuid:x") is None
    for path in ("/a/bell.maml.md", "/a/bell.maml.md", "/b/bell.maml.md"):
        ledger.record_document("urn:uuid:x", "bell", path)
    assert ledger.document_path("urn:uuid:x") == "/b/bell.maml.md"
    assert ledger.verify_chain() == 2


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_a_ledger_of_an_earlier_version_opens_and_its_chain_holds(ledger, tmp_path):
    ledger.record([row("a"), row("b")])
    ledger._add(tables.reputation, {"head": "HEAD_1", "leaf": "a", "good": 1, "weight": 1.0})
    ledger.close()
    database = sqlite3.connect(tmp_path / "home" / "ledger.sqlite")
    # What an earlier version leaves: its own tables, and a chain over their rows alone.
    rows = database.execute('SELECT "table", row, digest FROM chain ORDER BY id').fetchall()
    kept = [one for one in rows if one[0] not in NEW]
    assert len(kept) < len(rows)
    database.execute("DELETE FROM chain")
    for name in NEW:
        database.execute(f"DROP TABLE {name}")
    _relink(database, kept)
    database.commit()
    database.close()
    older = Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.sqlite'}")
    assert older.verify_chain() == len(kept)
    older.record_head_event(event(1, DEATH, reason="exit"))
    older.record([row("c")])
    assert len(older.observations("HEAD_1")) == 2
    assert older.verify_chain() == len(kept) + 4
    older.close()


def _relink(database: sqlite3.Connection, kept: list[tuple[str, int, str]]) -> None:
    from chimera_pipelines.ledger import chain

    link = chain.GENESIS
    for number, (table, place, digest) in enumerate(kept, 1):
        link = chain._link(link, digest)
        database.execute(
            "INSERT INTO chain VALUES (?, ?, ?, ?, ?)", (number, table, place, digest, link)
        )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM observations WHERE status = 'failed'",
        "UPDATE observations SET status = 'ok'",
        "DELETE FROM head_events",
        "UPDATE head_events SET detail = '{}'",
        "INSERT INTO standings (head, upto, state, timestamp) VALUES ('HEAD_1', 9, '{}', 't')",
        "UPDATE documents SET path = '/elsewhere'",
    ],
)
def test_edited_evidence_is_seen(ledger, ledger_url, statement):
    ledger.record([row("a", status="failed")])
    ledger.record_head_event(event(1, DEATH, reason="exit"))
    ledger.record_document("urn:uuid:x", "bell", "/a/bell.maml.md")
    ledger.verify_chain()
    edit(ledger_url, statement)
    with pytest.raises(HistoryError) as raised:
        ledger.verify_chain()
    assert raised.value.code == "CHIM227"
