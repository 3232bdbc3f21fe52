from __future__ import annotations

import pytest
from sqlalchemy import event

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger import counts, tables
from chimera_pipelines.ledger.counts import EDGES, Counting, Distribution
from chimera_pipelines.ledger.evidence import REGENERATION, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.ledger.readings import Reading, Stored
from tests.ledger.conftest import edit
from tests.ledger.test_ledger import grant, row


@pytest.fixture
def counting(ledger_url: str):
    made = Counting(ledger_url)
    yield made
    made.close()


def test_a_duration_falls_under_every_edge_that_is_not_below_it():
    found = Distribution()
    for seconds in (0.001, 0.3, 4000.0):
        found.add(seconds)
    cumulative = dict(found.cumulative())
    assert len(cumulative) == len(EDGES) + 1
    assert [cumulative[e] for e in ("0.001", "0.25", "0.5", "1800", "+Inf")] == [1, 1, 2, 2, 3]
    assert found.total == pytest.approx(4000.301)


def test_tickets_are_counted_and_grants_are_not(ledger, counting):
    ledger.record([grant(), row("a"), row("b"), row("c", status="failed", head_kind=None)])
    assert counting.now().blocks == {("quantum", "ok"): 2, ("unknown", "failed"): 1}
    assert counting.now().entries == ledger.verify_chain()


def test_outcomes_of_heads_are_told_apart_by_whose_fault_they_were(ledger, counting):
    codes = {"b": "CHIM715", "c": "MAML901"}
    readings = [Reading(leaf, "quantum", "failed", code=code) for leaf, code in codes.items()]
    ledger.record(
        [row("a"), row("b", status="failed"), row("c", status="failed"), row("d", status="reused")],
        readings=readings,
    )
    ledger.record_head_event(HeadEvent("HEAD_2", 2, "agent", REGENERATION, {"old": 1}))
    assert counting.now().heads == {
        ("HEAD_1", "ok"): 1,
        ("HEAD_1", "fault"): 1,
        ("HEAD_1", "document"): 1,
        ("HEAD_2", "fault"): 1,
    }


def test_only_the_phase_that_failed_counts_as_failed(ledger, counting):
    failed = Reading("a", "quantum", "failed", {"embed": 0.1, "propagate": 2.0}, "propagate")
    reused = Reading("b", "ai", "reused", {"deserialize": 0.2}, waited=0.05)
    ledger.record([row("a"), row("b")], readings=[failed, reused])
    found = counting.now()
    assert {key: one.total for key, one in found.phases.items()} == {
        ("embed", "quantum", "ok"): 0.1,
        ("propagate", "quantum", "failed"): 2.0,
        ("deserialize", "ai", "reused"): 0.2,
    }
    assert {kind: one.total for kind, one in found.waits.items()} == {"ai": 0.05}


def test_checkpoints_and_tallies_are_summed(ledger, counting):
    readings = [Reading(leaf, "ai", "ok", checkpoint=Stored("sha256:c", 10, 4)) for leaf in "ab"]
    ledger.record([row("a"), row("b")], readings=readings)
    ledger.tally("ticket_verifications", 2, result="ok")
    ledger.tally("ticket_verifications", 3, result="ok")
    ledger.tally("ledger_mismatches", 1)
    found = counting.now()
    assert found.stored_bytes == 20
    assert found.tallies == {"ticket_verifications": {("ok",): 5}, "ledger_mismatches": {(): 1}}


def test_it_counts_on_from_where_it_was_and_reads_one_row_when_nothing_came(ledger, counting):
    ledger.record([row("a"), row("b")])
    before = counting.now()
    statements: list[str] = []
    engine = counting._connections._engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert counting.now() is before
    read = [one for one in statements if one.startswith("SELECT")]
    assert len(read) == 1
    ledger.record([row("c")])
    assert counting.now().blocks == {("quantum", "ok"): 3}
    assert before.blocks == {("quantum", "ok"): 2}


def test_pages_are_read_to_the_end_at_first_and_one_at_a_time_later(ledger, counting, monkeypatch):
    monkeypatch.setattr(counts, "PAGE", 3)
    ledger.record([row(f"a{n}") for n in range(8)])
    assert counting.now().blocks == {("quantum", "ok"): 8}
    ledger.record([row(f"b{n}") for n in range(5)])
    assert counting.now().blocks == {("quantum", "ok"): 11}
    assert counting.now().blocks == {("quantum", "ok"): 13}


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_another_ledger_in_its_place_is_counted_anew(ledger, ledger_url, counting, tmp_path):
    ledger.record([row("a"), row("b")])
    assert counting.now().entries
    ledger.close()
    for part in (tmp_path / "home").iterdir():
        part.unlink()
    other = Ledger(ledger_url)
    other.record([row("z", head_kind="ai")])
    assert counting.now().blocks == {("ai", "ok"): 1}
    other.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_a_database_restored_from_a_backup_is_counted_anew(ledger, ledger_url, counting):
    ledger.record([row("a"), row("b")])
    assert counting.now().blocks == {("quantum", "ok"): 2}
    for table in tables.metadata.sorted_tables:
        edit(ledger_url, f"TRUNCATE {table.name} RESTART IDENTITY")
    ledger.record([row("a"), row("z", head_kind="ai"), row("y", head_kind="ai")])
    assert counting.now().blocks == {("quantum", "ok"): 1, ("ai", "ok"): 2}


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_no_ledger_is_made_where_none_is(counting, tmp_path):
    for _ in range(2):
        with pytest.raises(SettingsError) as raised:
            counting.now()
        assert raised.value.code == "CHIM241"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_it_comes_back_when_the_ledger_does(counting, ledger_url, tmp_path):
    path = tmp_path / "home" / "ledger.sqlite"
    with pytest.raises(SettingsError):
        counting.now()
    made = Ledger(ledger_url)
    made.record([row("a")])
    assert counting.now().blocks == {("quantum", "ok"): 1}
    made.close()
    counting.close()
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 500)
    with pytest.raises(SettingsError) as raised:
        counting.now()
    assert raised.value.code == "CHIM226"
    path.write_bytes(whole)
    assert counting.now().blocks == {("quantum", "ok"): 1}
