"""Attempts of a kernel that another process began, or that ended with the process they ran in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from chimera_pipelines.digest import read_canonical
from chimera_pipelines.errors import CheckpointError, KernelError, Where
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.lifecycle import inputs
from chimera_pipelines.lifecycle.receipts import SignedTicket, TicketReceipt
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import FailedAttempt, Run
from chimera_pipelines.lifecycle.sealing import as_record
from chimera_pipelines.lifecycle.spec import KernelSpec


def begun(run: Run, kernel: KernelSpec, attempt: int, head: Head) -> Invocation:
    """An invocation of which nothing is known yet but where it is to run."""
    info, seed = head.describe(), run.seed(kernel)
    return Invocation(
        kernel=kernel.name,
        attempt=attempt,
        head=info.id,
        device=info.device,
        incarnation=run.services.incarnation(head),
        tier=str(run.tier),
        inputs={},
        input_digest=inputs.input_digest(kernel, {}, seed=seed, partition=run.partition),
        seed=seed,
        partition=run.partition,
        sealing=as_record(run.sealing(kernel)),
    )


def failed_before(
    run: Run, kernel: KernelSpec, invocation: Invocation
) -> tuple[KernelError, FailedAttempt] | None:
    """How this attempt failed in another process, when that had signed it before it ended."""
    failed = [ticket for ticket in run.tickets(kernel) if ticket.status == "failed"]
    if len(failed) < invocation.attempt:
        return None
    ticket = failed[invocation.attempt - 1]
    mine = replace(invocation, head=ticket.head, input_digest=ticket.input_digest)
    return _error(run, kernel, ticket), FailedAttempt(mine, ticket.receipt)


def _error(run: Run, kernel: KernelSpec, ticket: SignedTicket) -> KernelError:
    where = Where(run.document.path, kernel.line, kernel.column)
    try:
        record: Any = read_canonical(run.services.store.get(ticket.output_digest))
    except CheckpointError:
        message = "failed on a head that died before it could tell how"
        return KernelError("MAML903", message, where=where, hint="see the log of the agent")
    found = record["error"]
    return KernelError(found["code"], found["message"], phase=found["phase"], where=where)


def to_json(failed: FailedAttempt) -> dict[str, Any]:
    """A failed attempt as plain JSON; `from_json` reads it back."""
    invocation = {**asdict(failed.invocation), "seconds": dict(failed.invocation.seconds)}
    return {"invocation": invocation, "ticket": asdict(failed.ticket)}


def from_json(value: Mapping[str, Any]) -> FailedAttempt:
    """The inverse of `to_json`."""
    return FailedAttempt(Invocation(**value["invocation"]), TicketReceipt(**value["ticket"]))
