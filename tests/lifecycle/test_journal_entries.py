"""Entries made one on top of the other, before any of them lies in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import RefusedError, UsageError
from chimera_pipelines.lifecycle.journal_entries import Draft, ticket_row
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.maml.history import parse_entries
from chimera_pipelines.tickets import merkle
from chimera_pipelines.tickets.entries import HistoryPart
from chimera_pipelines.tickets.keys import KeyStore
from chimera_pipelines.tickets.verification import Verifier, verify

ID, DOC = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911", "sha256:" + "d" * 64
GATEWAY, ANA = "gateway://local/default", "user://local/ana"
RUN = "01K1Z6S8Q4T9X2R7B3M5N6P8VA"


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    store = KeyStore(tmp_path / "keys", GATEWAY, algorithm="ML-DSA-44", provider="cryptography")
    store.ensure()
    return store


@pytest.fixture
def draft(keys: KeyStore) -> Draft:
    return Draft(Verifier(ID, DOC, keys.ring()), keys, GATEWAY)


def asked(head: str = "HEAD_1", cuda_ns: int | None = None, kernel: str = "vqe") -> TicketFields:
    zero = "sha256:" + "0" * 64
    return TicketFields(RUN, kernel, "ok", head, "quantum", cuda_ns, zero, zero, "0.7", "landlock")


def test_a_grant_and_its_tickets_verify_as_they_will_stand(draft: Draft, keys: KeyStore) -> None:
    receipt = draft.grant(RUN, ANA, ["HEAD_3", "HEAD_1"], 1)
    tickets = [draft.ticket(one).receipt for one in (asked(), asked("HEAD_3", 12, "report"))]
    draft.note("NOTE", "done")
    entries = parse_entries(b"".join(draft.raw))
    assert [entry.action for entry in entries] == ["GRANT", "TICKET", "TICKET", "NOTE"]
    assert entries[0].fields["heads"] == "HEAD_1,HEAD_3"
    found = verify([HistoryPart(entries)], document_id=ID, doc=DOC, keys=keys.ring())
    assert (found.grants, found.tickets, found.root) == (1, 2, draft.root)
    assert [receipt.seq, *(ticket.seq for ticket in tickets)] == [0, 1, 2]
    tree = merkle.MerkleTree()
    for entry, made in zip(entries, (receipt, *tickets), strict=False):
        tree.append(entry.raw)
        assert made.root == merkle.written(tree.root)
        assert made.signature_digest == sha256(entry.signature or b"")


def test_a_grant_that_stands_is_given_again(draft: Draft) -> None:
    first = draft.grant(RUN, ANA, ["HEAD_1", "HEAD_2"], 1)
    assert draft.grant(RUN, ANA, ["HEAD_2"], 1).seq == first.seq
    assert draft.grant(RUN, ANA, ["HEAD_4"], 1).seq == 1
    assert draft.grant(RUN, "user://local/eve", ["HEAD_4"], 1).seq == 2


def test_times_never_run_back(draft: Draft) -> None:
    late = parse_entries(b"- 2126-01-01T00:00:00Z: [NOTE] from the future\n")[0]
    draft.verifier.feed(late)
    draft.note("NOTE", "now")
    assert draft.entries[0].time_ns == late.time_ns


def test_a_head_that_was_not_granted_gets_no_ticket(draft: Draft) -> None:
    draft.grant(RUN, ANA, ["HEAD_1"], 1)
    with pytest.raises(RefusedError) as raised:
        draft.ticket(asked("HEAD_2"))
    assert raised.value.code == "MAML808"
    assert len(draft.entries) == 1


def test_what_has_no_written_form_is_refused(draft: Draft) -> None:
    for text in ("two\nlines", "a <!-- b"):
        with pytest.raises(UsageError, match="cannot write the note"):
            draft.note("NOTE", text)
    with pytest.raises(UsageError, match="cannot write the GRANT"):
        draft.grant(RUN, "user://local/a b", ["HEAD_1"], 1)
    assert not draft.entries


def test_rows_carry_what_the_lines_do_not_say(draft: Draft) -> None:
    draft.grant(RUN, ANA, ["HEAD_1"], 1)
    draft.note("NOTE", "a note is no row")
    draft.ticket(asked(cuda_ns=7))
    grant, ticket = draft.rows("vqe_doc")
    assert (grant.action, grant.granted_to, grant.seq) == ("GRANT", ANA, 0)
    assert (ticket.action, ticket.seq, ticket.cuda_ns) == ("TICKET", 2, 7)
    assert (ticket.head_kind, ticket.partition, ticket.sandbox) == ("quantum", "0.7", "landlock")
    assert ticket.leaf == sha256(draft.entries[2].raw)
    read_back = ticket_row(draft.entries[2], ID, "vqe_doc")
    assert (read_back.leaf, read_back.head_kind) == (ticket.leaf, None)
