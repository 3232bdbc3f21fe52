from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.errors import HistoryError, RefusedError, SettingsError, UsageError
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle import journal as journal_module
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.maml.history import doc_digest, parse_history
from chimera_pipelines.maml.history_parts import HistoryPart, read_history, sidecar_path
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.keys import KeyStore
from chimera_pipelines.tickets.verification import Verification, verify

EXAMPLE = Path(__file__).parents[1] / "vectors" / "examples" / "h2_vqe.maml.md"
ID = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"
GATEWAY, HEAD = "gateway://local/default", "head://local/default/HEAD_1"
ANA = "user://local/ana"
RUN, OTHER_RUN = "01K1Z6S8Q4T9X2R7B3M5N6P8VA", "01K1Z6S8Q4T9X2R7B3M5N6P8VB"


class Place:
    """A document, and everything a gateway has for it."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.document = root / "documents" / "h2_vqe.maml.md"
        self.document.parent.mkdir()
        shutil.copy(EXAMPLE, self.document)
        self.text = self.document.read_bytes()
        self.keys = KeyStore(
            self.home / "keys", GATEWAY, algorithm="ML-DSA-44", provider="cryptography"
        )
        self.keys.ensure()
        self.ledger = Ledger(f"sqlite:///{self.home / 'ledger.sqlite'}")

    def journal(self) -> Journal:
        return Journal(
            self.document,
            ID,
            doc_digest(self.text),
            keys=self.keys,
            ledger=self.ledger,
            gateway=GATEWAY,
            home=self.home,
        )

    def verify(self) -> Verification:
        return verify(
            self.parts(),
            document_id=ID,
            doc=doc_digest(self.document.read_bytes()),
            keys=self.keys.ring(),
        )

    def parts(self) -> tuple[HistoryPart, ...]:
        sidecar = sidecar_path(self.home, self.document, ID)
        return read_history(self.document, self.document.read_bytes(), sidecar).parts

    def actions(self) -> list[str]:
        return [entry.action for entry in parse_history(self.document.read_bytes())]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.ledger.close()


def fields(n: int = 0, *, run: str = RUN, head: str = "HEAD_1", status: str = "ok") -> TicketFields:
    return TicketFields(
        run_id=run,
        kernel="vqe",
        status=status,
        head=head,
        head_kind="quantum",
        cuda_ns=None,
        input_digest=f"sha256:{n:064x}",
        output_digest="sha256:" + "1" * 64,
    )


def test_a_run_is_granted_and_signed(place):
    journal = place.journal()
    journal.note("SANDBOX", "tier process")
    grant = journal.grant(RUN, ANA, ["HEAD_3", "HEAD_1"], 1)
    ticket = journal.ticket(fields())
    assert place.actions() == ["SANDBOX", "GRANT", "TICKET"]
    found = place.verify()
    assert (found.ok, found.entries, found.tickets, found.problems) == (True, 3, 1, ())
    assert (grant.seq, ticket.seq, ticket.root) == (1, 2, found.root)
    assert ticket.key == place.keys.active(HEAD).key_id
    assert grant.expires > grant.timestamp
    assert place.document.read_bytes().startswith(place.text)
    assert journal.summary() == {
        "path": str(place.document),
        "entries": 3,
        "tickets": 1,
        "root": found.root,
    }


def test_everything_is_in_the_ledger_too(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    ticket = journal.ticket(fields(7))
    row = place.ledger.find_reusable(fields(7).input_digest, "quantum")
    assert (row.seq, row.run_id, row.slug) == (1, RUN, "h2_vqe")
    assert row.signature_digest == ticket.signature_digest
    assert place.ledger.granted(RUN)
    last = place.ledger.tree_heads(ID)[-1]
    assert (last.size, last.root) == (2, ticket.root)
    assert [state.status for state in place.ledger.run_states(RUN)] == ["started"]
    journal.finish(RUN, "ok")
    assert [state.status for state in place.ledger.run_states(RUN)] == ["started", "ok"]
    place.ledger.verify_chain()


def test_a_grant_is_given_once_a_run_also_in_another_process(place):
    first = place.journal().grant(RUN, ANA, ["HEAD_1", "HEAD_3"], 1)
    again = place.journal().grant(RUN, ANA, ["HEAD_1"], 1)
    assert (again.seq, again.signature_digest) == (first.seq, first.signature_digest)
    assert place.actions() == ["GRANT"]
    assert place.journal().grant(OTHER_RUN, ANA, ["HEAD_1"], 1).seq == 1


def test_a_grant_that_does_not_cover_what_is_asked_is_renewed(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1e-9)
    with pytest.raises(RefusedError) as raised:
        journal.ticket(fields())
    assert raised.value.code == "MAML808"
    assert journal.grant(RUN, ANA, ["HEAD_1"], 1).seq == 1
    with pytest.raises(RefusedError):
        journal.ticket(fields(head="HEAD_2"))
    assert journal.grant(RUN, ANA, ["HEAD_1", "HEAD_2"], 1).seq == 2
    journal.ticket(fields(head="HEAD_2"))
    assert place.verify().ok


def test_a_ticket_without_a_grant_is_refused_and_nothing_is_written(place):
    with pytest.raises(RefusedError) as raised:
        place.journal().ticket(fields())
    assert raised.value.exit_code == 5
    assert place.document.read_bytes() == place.text


def test_threads_commit_in_groups(place, monkeypatch):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    writes = []
    stored = Journal._store
    monkeypatch.setattr(
        Journal, "_store", lambda *args, **more: (writes.append(1), stored(*args, **more))[1]
    )
    journal._writing.acquire()
    threads = [threading.Thread(target=journal.ticket, args=(fields(n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    while len(journal._queue) < 20:
        time.sleep(0.01)
    journal._writing.release()
    for thread in threads:
        thread.join()
    assert len(writes) == 1
    assert place.verify().tickets == 20


def test_one_threads_error_is_not_anothers(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    errors = []

    def refused() -> None:
        try:
            journal.ticket(fields(run=OTHER_RUN))
        except RefusedError as error:
            errors.append(error.code)

    journal._writing.acquire()
    threads = [threading.Thread(target=refused)]
    threads += [threading.Thread(target=journal.ticket, args=(fields(n),)) for n in range(3)]
    for thread in threads:
        thread.start()
    while len(journal._queue) < 4:
        time.sleep(0.01)
    journal._writing.release()
    for thread in threads:
        thread.join()
    assert errors == ["MAML808"]
    assert place.verify().tickets == 3


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda text: text.replace(b"kernel=vqe", b"kernel=qev", 1), "MAML802"),
        (lambda text: text.replace(b"[NOTE] a", b"[NOTE] b", 1), "MAML803"),
        (lambda text: text + b"stray\n", "MAML801"),
    ],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_nothing_is_added_to_a_history_that_does_not_verify(place, edit, code, fresh):
    journal = place.journal()
    journal.note("NOTE", "a")
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields())
    broken = edit(place.document.read_bytes())
    place.document.write_bytes(broken)
    for call in (
        lambda one: one.ticket(fields(1)),
        lambda one: one.grant(OTHER_RUN, ANA, ["HEAD_1"], 1),
        lambda one: one.note("NOTE", "x"),
    ):
        with pytest.raises(HistoryError) as raised:
            call(place.journal() if fresh else journal)
        assert raised.value.code == code
        assert raised.value.exit_code == 8
    assert place.document.read_bytes() == broken


def test_notes_of_others_and_blank_lines_at_the_end_are_no_obstacle(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    with place.document.open("ab") as file:
        file.write(b"- 2020-01-01T08:00:00Z: [NOTE] by hand\n\n\n")
    journal.ticket(fields())
    assert place.actions() == ["GRANT", "NOTE", "TICKET"]
    found = place.verify()
    assert [problem.code for problem in found.problems] == ["MAML807"]
    assert found.ok


def test_time_never_runs_back_behind_a_note_of_the_future(place):
    journal = place.journal()
    journal.note("NOTE", "a")
    with place.document.open("ab") as file:
        file.write(b"- 2999-01-01T08:00:00.123456789Z: [NOTE] by hand\n")
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    assert journal.ticket(fields()).timestamp == "2999-01-01T08:00:00.123456789Z"
    assert place.verify().problems == ()


def test_a_text_that_changed_since_it_was_compiled_gets_no_ticket(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    changed = place.document.read_bytes().replace(b"## Intent\n", b"## Intent\nMore. ", 1)
    place.document.write_bytes(changed)
    with pytest.raises(HistoryError, match="text changed") as raised:
        journal.ticket(fields())
    assert raised.value.code == "MAML806"
    assert place.document.read_bytes() == changed


def test_verified_bytes_are_not_verified_again(place, monkeypatch):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    for n in range(5):
        journal.ticket(fields(n))
    calls = []
    checked = providers.verify
    monkeypatch.setattr(providers, "verify", lambda *args: (calls.append(1), checked(*args))[1])
    journal.ticket(fields(9))
    assert len(calls) == 1
    place.journal().ticket(fields(11))
    assert len(calls) == 1 + 7 + 1
    journal.ticket(fields(10))
    assert len(calls) == 9 + 2


def test_a_rotated_head_key_is_announced_by_the_gateway(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(1))
    new = place.keys.rotate(HEAD)
    assert journal.ticket(fields(2)).key == new.key_id
    journal.ticket(fields(3))
    assert place.actions() == ["GRANT", "TICKET", "KEY", "TICKET", "TICKET"]
    assert place.verify().problems == ()


def test_rotated_gateway_and_head_keys_are_announced_in_order(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(1))
    for holder in (GATEWAY, HEAD, HEAD):
        place.keys.rotate(holder)
    journal.ticket(fields(2))
    journal.grant(OTHER_RUN, ANA, ["HEAD_1"], 1)
    assert place.actions() == ["GRANT", "TICKET", "KEY", "KEY", "TICKET", "GRANT"]
    assert place.verify().problems == ()


def test_a_revoked_gateway_key_cannot_hand_over_and_need_not(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(1))
    place.keys.rotate(GATEWAY, revoke=True)
    journal.grant(OTHER_RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(2, run=OTHER_RUN))
    assert place.actions() == ["GRANT", "TICKET", "GRANT", "TICKET"]
    assert place.verify().ok


def test_a_read_only_document_is_continued_in_its_sidecar(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    whole = place.document.read_bytes()
    place.document.chmod(0o444)
    assert journal.summary()["entries"] == 1
    journal.ticket(fields(1))
    place.journal().ticket(fields(2))
    assert place.document.read_bytes() == whole
    assert (place.home / "h2_vqe.history.md").exists()
    found = place.verify()
    assert (found.ok, found.entries, found.tickets) == (True, 3, 2)
    assert journal.summary()["root"] == found.root


def test_history_rotates_between_runs(place, monkeypatch):
    monkeypatch.setattr(journal_module, "ROTATE_BYTES", 8000)
    journal = place.journal()
    runs = [RUN[:-1] + letter for letter in "ABCDE"]
    for run in runs:
        journal.grant(run, ANA, ["HEAD_1"], 1)
        journal.ticket(fields(1, run=run))
        journal.ticket(fields(2, run=run))
        journal.finish(run, "ok")
    archives = sorted(path.name for path in place.document.parent.glob("*.history-*.md"))
    assert archives == [f"h2_vqe.history-{n}.md" for n in range(1, len(archives) + 1)]
    assert len(archives) >= 2
    assert place.actions()[:2] == ["ARCHIVE", "GRANT"]
    found = place.verify()
    assert (found.problems, found.tickets) == ((), 10)
    assert found.entries == 15 + len(archives)
    place.document.with_name(archives[0]).unlink()
    again = place.verify()
    assert (again.problems, again.root) == ((), found.root)
    place.journal().note("NOTE", "x")


def test_history_does_not_rotate_while_another_run_goes_on(place, monkeypatch):
    monkeypatch.setattr(journal_module, "ROTATE_BYTES", 1)
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.grant(OTHER_RUN, ANA, ["HEAD_1"], 1)
    assert place.actions() == ["GRANT", "GRANT"]


def test_a_rotation_with_a_rotated_gateway_key(place, monkeypatch):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields())
    journal.finish(RUN, "ok")
    place.keys.rotate(GATEWAY)
    monkeypatch.setattr(journal_module, "ROTATE_BYTES", 1)
    journal.grant(OTHER_RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(run=OTHER_RUN))
    assert place.actions() == ["ARCHIVE", "KEY", "GRANT", "TICKET"]
    assert place.verify().problems == ()


def test_entries_that_only_the_file_has_are_recorded_by_the_next_process(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    journal.ticket(fields(5))
    place.ledger = Ledger(f"sqlite:///{place.home / 'fresh.sqlite'}")
    assert not place.ledger.granted(RUN)
    place.journal().note("NOTE", "x")
    assert place.ledger.granted(RUN)
    assert place.ledger.latest_output(ID, "h2_vqe", "vqe").input_digest == fields(5).input_digest


@pytest.mark.parametrize("text", ["two\nlines", "", "x" * 2001, "a <!-- b", "\u202e"])
def test_what_is_no_note_is_refused(place, text):
    with pytest.raises(UsageError) as raised:
        place.journal().note("NOTE", text)
    assert raised.value.code == "CHIM228"
    assert place.document.read_bytes() == place.text


def test_a_principal_without_a_written_form_is_refused(place):
    with pytest.raises(UsageError) as raised:
        place.journal().grant(RUN, "user://local/a b", ["HEAD_1"], 1)
    assert raised.value.code == "CHIM228"
    assert place.document.read_bytes() == place.text


def test_a_failed_write_is_an_error_of_every_thread_and_harms_nothing(place, monkeypatch):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    whole = place.document.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _full)
        with pytest.raises(UsageError, match="space"):
            journal.ticket(fields())
    assert place.document.read_bytes() == whole
    assert journal.ticket(fields()).seq == 1
    assert place.verify().problems == ()


def test_entries_that_the_ledger_refused_stand_and_are_recorded_before_the_next(
    place, monkeypatch, caplog
):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    with monkeypatch.context() as patch:
        patch.setattr(place.ledger, "record", _locked)
        patch.setattr(place.ledger, "record_run", _locked)
        assert [journal.ticket(fields(n)).seq for n in (5, 6)] == [1, 2]
        journal.finish(RUN, "ok")
    assert "database is locked" in caplog.text
    assert place.ledger.find_reusable(fields(5).input_digest, "quantum") is None
    assert journal.ticket(fields(7)).seq == 3
    found = [place.ledger.find_reusable(fields(n).input_digest, "quantum").seq for n in (5, 6, 7)]
    assert found == [1, 2, 3]
    assert (place.verify().tickets, place.verify().problems) == (3, ())
    place.ledger.verify_chain()


def test_entries_that_a_process_could_not_tell_are_told_by_the_next(place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(place.ledger, "record", _locked)
        journal = place.journal()
        journal.grant(RUN, ANA, ["HEAD_1"], 1)
        journal.ticket(fields(5))
    assert not place.ledger.granted(RUN)
    assert place.journal().ticket(fields(6)).seq == 2
    assert place.ledger.granted(RUN)
    assert place.ledger.latest_output(ID, "h2_vqe", "vqe").seq == 2


def _locked(*_arguments: object) -> int:
    raise SettingsError("CHIM226", "ledger cannot be used: database is locked")


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


WRITER = """
import json, os, sys
from pathlib import Path
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.tickets.keys import KeyStore
given = json.loads(sys.argv[1])
home = Path(given["home"])
journal = Journal(
    Path(given["document"]), given["id"], given["doc"], gateway=given["gateway"], home=home,
    keys=KeyStore(home / "keys", given["gateway"], provider="cryptography"),
    ledger=Ledger(f"sqlite:///{home / 'ledger.sqlite'}"),
)
journal.grant(given["run"], "user://local/ana", ["HEAD_1"], 1)
for n in range(given["count"]):
    new, zero = f"sha256:{os.getpid():032x}{n:032x}", "sha256:" + "0" * 64
    journal.ticket(TicketFields(given["run"], "vqe", "ok", "HEAD_1", "quantum", None, new, zero))
    print(n, flush=True)
"""


def writer(place: Place, run: str, count: int) -> subprocess.Popen[str]:
    given = {
        "home": str(place.home),
        "document": str(place.document),
        "id": ID,
        "doc": doc_digest(place.text),
        "gateway": GATEWAY,
        "run": run,
        "count": count,
    }
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, json.dumps(given)], stdout=subprocess.PIPE, text=True
    )


def test_what_is_signed_is_not_signed_again_by_another_process(place):
    first = place.journal()
    first.grant(RUN, ANA, ["HEAD_1", "HEAD_2"], 1)
    stands = first.signed(fields(1))
    other = place.journal().signed(
        replace(fields(1, head="HEAD_2"), output_digest="sha256:" + "2" * 64)
    )
    assert other == stands
    assert other.output_digest == fields(1).output_digest
    assert place.journal().ticket(fields(1, status="reused")) == stands.receipt
    assert place.journal().tickets(RUN, "vqe") == (stands,)
    assert place.journal().tickets(RUN, "other") == ()
    assert place.actions() == ["GRANT", "TICKET"]


def test_a_fenced_head_gets_no_ticket(place):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)

    def fenced() -> None:
        raise RefusedError("CHIM761", "fenced")

    with pytest.raises(RefusedError, match="fenced"):
        journal.signed(fields(), fenced)
    assert place.actions() == ["GRANT"]
    assert journal.ticket(fields()).seq == 1


def test_two_processes_sign_one_history(place):
    running = [writer(place, run, 12) for run in (RUN, OTHER_RUN)]
    for process in running:
        process.communicate(timeout=120)
    assert [process.returncode for process in running] == [0, 0]
    found = place.verify()
    assert (found.problems, found.grants, found.tickets) == ((), 2, 24)
    assert place.ledger.tree_heads(ID)[-1].root == found.root
    place.ledger.verify_chain()


def test_a_process_killed_while_it_signs_leaves_a_history_that_verifies(place):
    for n, delay in enumerate((0.0, 0.013, 0.029, 0.041)):
        running = writer(place, RUN, 10_000)
        assert running.stdout.readline() == "0\n"
        time.sleep(delay)
        running.kill()
        said = 1 + len(re.findall(r"\d+\n", running.communicate()[0]))
        before = place.verify()
        assert before.problems == ()
        assert before.tickets >= said
        place.journal().ticket(fields(n))
        assert place.verify().tickets == before.tickets + 1
        place.ledger.verify_chain()


def test_a_bad_signature_is_found_before_it_is_appended(place, monkeypatch):
    journal = place.journal()
    journal.grant(RUN, ANA, ["HEAD_1"], 1)
    whole = place.document.read_bytes()
    good = place.keys.signer(HEAD)
    bad = replace(good, _sign=lambda message: good.sign(message + b"!"))
    with monkeypatch.context() as patch:
        patch.setattr(place.keys, "signer", lambda _holder: bad)
        with pytest.raises(SettingsError) as raised:
            journal.ticket(fields())
    assert raised.value.code == "CHIM224"
    assert place.document.read_bytes() == whole
    journal.ticket(fields())
    assert place.verify().problems == ()
