"""Tickets that stand in a verified History, as whoever would sign again finds them.

A head may die between signing and telling. Its kernel is then given to another head, which must add
no second ticket for what is signed already: a published output is signed once for a run, kernel and
`in`, and a failed attempt once.
"""

from __future__ import annotations

from chimera_pipelines.digest import sha256
from chimera_pipelines.lifecycle.receipts import SignedTicket, TicketFields, TicketReceipt
from chimera_pipelines.tickets.entries import HistoryEntry
from chimera_pipelines.tickets.verification import Verifier


def tickets(verifier: Verifier, run_id: str, kernel: str) -> tuple[SignedTicket, ...]:
    """The tickets of a kernel in a run that stand for the present text, oldest first."""
    first = next(iter(verifier.grants.get(run_id, ())), None)
    found: list[SignedTicket] = []
    for judged in reversed(verifier.judged):
        entry, fields = judged.entry, judged.entry.fields
        if entry is first:
            break  # nothing of a run stands above its first grant
        if not judged.passed or entry.action != "TICKET" or fields["doc"] != verifier.doc:
            continue
        if (fields["run"], fields["kernel"]) == (run_id, kernel):
            found.append(signed(entry, verifier.roots[judged.number]))
    return tuple(reversed(found))


def find(verifier: Verifier, asked: TicketFields) -> SignedTicket | None:
    """The ticket that makes needless what is asked for."""
    mine = [
        ticket
        for ticket in tickets(verifier, asked.run_id, asked.kernel)
        if ticket.input_digest == asked.input_digest
    ]
    if asked.status != "failed":
        return next((ticket for ticket in mine if ticket.status != "failed"), None)
    failed = [ticket for ticket in mine if ticket.status == "failed"]
    if asked.attempt is None or len(failed) < asked.attempt:
        return None
    return failed[asked.attempt - 1]


def signed(entry: HistoryEntry, root: str) -> SignedTicket:
    """What a TICKET says; `root` is the tree head with it as last entry."""
    fields = entry.fields
    receipt = TicketReceipt(
        int(fields["seq"]),
        fields["key"],
        root,
        entry.timestamp or "",
        sha256(entry.signature or b""),
    )
    duration = fields["cuda_ns"]
    return SignedTicket(
        receipt,
        kernel=fields["kernel"],
        status=fields["status"],
        head=fields["head"],
        cuda_ns=None if duration == "-" else int(duration),
        input_digest=fields["in"],
        output_digest=fields["out"],
    )
