from __future__ import annotations

import subprocess
import sys

import pytest

from chimera_pipelines.errors import HistoryError, SettingsError
from chimera_pipelines.ledger.ledger import Ledger, RunRow, TicketRow, TreeHead
from chimera_pipelines.ledger.readings import Reading, Stored
from tests.ledger.conftest import edit

RUN = "01K1Z6S8Q4T9X2R7B3M5N6P8VA"


def row(leaf: str, **changes) -> TicketRow:
    values = {
        "leaf": leaf,
        "document_id": "urn:uuid:x",
        "slug": "bell",
        "seq": 1,
        "action": "TICKET",
        "timestamp": "2026-08-01T09:00:00Z",
        "doc": "sha256:d",
        "key": "ML-DSA-65:k",
        "signature_digest": "sha256:s",
        "run_id": RUN,
        "kernel": "bell",
        "status": "ok",
        "head": "HEAD_1",
        "head_kind": "quantum",
        "input_digest": "sha256:i",
        "output_digest": "sha256:o",
    }
    return TicketRow(**{**values, **changes})


def grant(leaf: str = "g") -> TicketRow:
    return row(
        leaf,
        action="GRANT",
        granted_to="user://local/ana",
        kernel=None,
        status=None,
        head=None,
        head_kind=None,
        input_digest=None,
        output_digest="",
    )


def test_an_entry_is_recorded_once(ledger):
    assert ledger.record([row("a"), row("b")]) == 2
    assert ledger.record([row("a"), row("c")]) == 1
    assert ledger.verify_chain() > 0


def test_a_run_is_granted_once_its_grant_is_recorded(ledger):
    ledger.record([row("a")])
    assert not ledger.granted(RUN)
    ledger.record([grant()])
    assert ledger.granted(RUN)


def test_only_an_ok_ticket_on_the_same_kind_of_head_is_reused(ledger):
    ledger.record(
        [
            row("a", status="failed"),
            row("b", status="reused"),
            row("c", status="unverified"),
            row("d", head_kind="ai"),
            row("e", head_kind=None),
            row("f", input_digest="sha256:j"),
        ]
    )
    assert ledger.find_reusable("sha256:i", "quantum") is None
    ledger.record([row("g", output_digest="sha256:1"), row("h", output_digest="sha256:2", seq=7)])
    assert ledger.find_reusable("sha256:i", "quantum") == row("h", output_digest="sha256:2", seq=7)


def test_the_latest_published_output(ledger):
    ledger.record([row("a", output_digest="sha256:1")])
    ledger.record([row("b", output_digest="sha256:2", status="reused")])
    ledger.record([row("c", output_digest="sha256:3", status="failed")])
    assert ledger.latest_output("urn:uuid:x", "bell", "bell").output_digest == "sha256:2"
    assert ledger.latest_output("urn:uuid:x", "bell", "other") is None
    assert ledger.latest_output("urn:uuid:y", "bell", "bell") is None


def test_failures_of_a_kernel_are_counted_by_run_and_partition(ledger):
    ledger.record([row(leaf, status="failed") for leaf in "ab"])
    ledger.record([row("c"), row("d", status="failed", partition="p")])
    ledger.record(
        [row("e", status="failed", run_id="other"), row("f", status="failed", kernel="k")]
    )
    assert ledger.failures(RUN, "urn:uuid:x", "bell", None) == 2
    assert ledger.failures(RUN, "urn:uuid:x", "bell", "p") == 1
    assert ledger.failures(RUN, "urn:uuid:y", "bell", None) == 0


def test_tree_heads_are_kept(ledger):
    for size in (1, 2, 2, 5):
        ledger.record([], TreeHead("urn:uuid:x", size, f"sha256:{size}"))
    ledger.record([], TreeHead("urn:uuid:y", 9, "sha256:9"))
    assert [head.size for head in ledger.tree_heads("urn:uuid:x")] == [1, 2, 5]


def test_tokens_are_sums_over_tickets(ledger):
    ledger.record([grant()])
    ledger.record([row("a"), row("b"), row("c", status="failed"), row("d", status="reused")])
    assert ledger.tokens("user://local/ana") == 2
    assert ledger.tokens("user://local/eve") == 0


def test_run_states(ledger):
    states = [
        RunRow(RUN, "urn:uuid:x", status, "2026-08-01T09:00:00Z") for status in ("started", "ok")
    ]
    for state in states:
        ledger.record_run(state)
    assert ledger.run_states(RUN) == tuple(states)
    assert ledger.verify_chain() == 2


def test_what_was_measured_is_recorded_with_its_ticket_and_once(ledger):
    reading = Reading("a", "quantum", "ok", {"embed": 0.1}, checkpoint=Stored("sha256:c", 4096, 4))
    assert ledger.record([row("a")], readings=[reading]) == 1
    rows = ledger.verify_chain()
    assert ledger.record([row("a")], readings=[reading]) == 0
    assert ledger.verify_chain() == rows


def test_a_tally_has_a_known_name_and_its_own_labels(ledger):
    ledger.tally("ticket_verifications", 3, result="ok")
    ledger.tally("ledger_mismatches", 1)
    assert ledger.verify_chain() == 2
    for name, labels in (
        ("tickets", {}),
        ("ledger_mismatches", {"result": "ok"}),
        ("ticket_verifications", {}),
        ("ticket_verifications", {"result": "a b"}),
        ("ticket_verifications", {"result": "x" * 41}),
    ):
        with pytest.raises(ValueError, match=r"counter|label"):
            ledger.tally(name, 1, **labels)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tickets SET status = 'failed' WHERE leaf = 'b'",
        "DELETE FROM tickets WHERE leaf = 'b'",
        "INSERT INTO wallet (agent, leaf, tokens) VALUES ('user://local/eve', 'x', 1000)",
        "DELETE FROM chain WHERE id = 2",
        "UPDATE chain SET link = 'sha256:0' WHERE id = 1",
    ],
)
def test_an_edited_row_is_seen(ledger, ledger_url, statement):
    ledger.record([grant(), row("a"), row("b")])
    ledger.verify_chain()
    edit(ledger_url, statement)
    with pytest.raises(HistoryError) as raised:
        ledger.verify_chain()
    assert raised.value.code == "CHIM227"


def test_many_processes_write_at_once(ledger, ledger_url):
    code = (
        "import sys; from chimera_pipelines.ledger.ledger import Ledger, RunRow\n"
        f"l = Ledger({ledger_url!r})\n"
        "for n in range(15): l.record_run(RunRow(sys.argv[1], 'd', str(n), 't'))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert ledger.verify_chain() == 45
    assert [state.status for state in ledger.run_states("b")] == [str(n) for n in range(15)]


def test_it_is_the_same_when_it_is_opened_again(ledger, ledger_url):
    ledger.record([grant(), row("a")], TreeHead("urn:uuid:x", 2, "sha256:2"))
    rows = ledger.verify_chain()
    ledger.close()
    again = Ledger(ledger_url)
    assert again.verify_chain() == rows
    assert again.find_reusable("sha256:i", "quantum") == row("a")
    assert again.record([row("a")]) == 0
    again.record([row("b")])
    assert ledger.verify_chain() == again.verify_chain() > rows
    again.close()


def test_a_database_that_cannot_be_used_is_a_settings_error(tmp_path):
    (tmp_path / "junk").write_bytes(b"no database" * 500)
    for url in (f"sqlite:///{tmp_path / 'junk'}", "nonsense", "nodialect://x/y"):
        with pytest.raises(SettingsError) as raised:
            Ledger(url).granted(RUN)
        assert raised.value.code == "CHIM226"


def test_a_password_is_not_shown():
    with pytest.raises(SettingsError) as raised:
        Ledger("nodialect://user:secret@host/db").granted(RUN)
    assert "secret" not in str(raised.value)
