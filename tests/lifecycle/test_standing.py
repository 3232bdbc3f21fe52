"""Which tickets stand already for what would be signed again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.lifecycle import standing
from chimera_pipelines.lifecycle.journal_entries import Draft
from chimera_pipelines.lifecycle.receipts import SignedTicket, TicketFields
from chimera_pipelines.tickets.keys import KeyStore
from chimera_pipelines.tickets.verification import Verifier

ID, DOC = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911", "sha256:" + "d" * 64
GATEWAY, ANA = "gateway://local/default", "user://local/ana"
RUN, OTHER = "01K1Z6S8Q4T9X2R7B3M5N6P8VA", "01K1Z6S8Q4T9X2R7B3M5N6P8VB"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    keys = KeyStore(tmp_path / "keys", GATEWAY, algorithm="ML-DSA-44", provider="cryptography")
    keys.ensure()
    made = Draft(Verifier(ID, DOC, keys.ring()), keys, GATEWAY)
    made.grant(RUN, ANA, ["HEAD_1", "HEAD_2"], 1)
    return made


def asked(status: str = "ok", **changed: object) -> TicketFields:
    fields = TicketFields(RUN, "vqe", status, "HEAD_1", "quantum", None, ONE, ONE)
    return replace(fields, **changed)  # type: ignore[arg-type]


def test_a_published_output_is_signed_once_for_a_run_kernel_and_in(draft: Draft) -> None:
    first = draft.ticket(asked())
    for again in (asked(), asked("reused"), asked(head="HEAD_2", output_digest=TWO, cuda_ns=3)):
        assert draft.ticket(again) == first
    assert len(draft.entries) == 2
    draft.grant(OTHER, ANA, ["HEAD_1"], 1)
    for new in (asked(input_digest=TWO), asked(kernel="report"), asked(run_id=OTHER)):
        assert draft.ticket(new).receipt.seq == len(draft.entries) - 1
    assert len(draft.entries) == 6


def test_the_root_of_a_standing_ticket_is_the_one_it_was_given_with(draft: Draft) -> None:
    first = draft.ticket(asked())
    draft.note("NOTE", "an unsigned leaf")
    draft.ticket(asked(kernel="report"))
    assert draft.ticket(asked()).receipt == first.receipt
    assert first.receipt.root != draft.root


def test_each_failed_attempt_is_signed_once(draft: Draft) -> None:
    first = draft.ticket(asked("failed", attempt=1))
    assert draft.ticket(asked("failed", attempt=1)) == first
    second = draft.ticket(asked("failed", attempt=2, output_digest=TWO))
    assert second.receipt.seq == first.receipt.seq + 1
    assert draft.ticket(asked("failed", attempt=1)) == first
    published = draft.ticket(asked("ok"))
    assert [ticket.status for ticket in draft.tickets(RUN, "vqe")] == ["failed", "failed", "ok"]
    assert draft.tickets(RUN, "vqe")[-1] == published
    unnumbered = draft.ticket(asked("failed"))
    assert unnumbered.receipt.seq == published.receipt.seq + 1


def test_a_ticket_says_what_its_line_says(draft: Draft) -> None:
    draft.ticket(asked("unverified", cuda_ns=12, head="HEAD_2"))
    (found,) = standing.tickets(draft.verifier, RUN, "vqe")
    assert found == SignedTicket(found.receipt, "vqe", "unverified", "HEAD_2", 12, ONE, ONE)
    assert standing.tickets(draft.verifier, OTHER, "vqe") == ()
