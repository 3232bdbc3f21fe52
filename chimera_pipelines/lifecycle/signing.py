"""What the ticket of an invocation says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import measured
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.lifecycle.records import Invocation


def ticket_fields(
    run_id: str,
    invocation: Invocation,
    status: str,
    output_digest: str,
    cuda_ns: int | None,
    *,
    kind: str,
    work: str,
    waited: float | None,
    checkpoint: Mapping[str, Any] | None,
    error: KernelError | None,
) -> TicketFields:
    """The fields of a TICKET, and what was measured of its attempt.

    Args:
        run_id: ULID of the run.
        invocation: with the seconds of every phase that was run.
        status: of the ticket.
        output_digest: `out` of the ticket.
        cuda_ns: CUDA-event time.
        kind: of the head.
        work: kind of work, whose seconds can be compared.
        waited: seconds until a head was free, if somebody knows.
        checkpoint: the stored checkpoint, as in an `Outcome`.
        error: what ended the attempt, for a failed one.
    """
    return TicketFields(
        run_id=run_id,
        kernel=invocation.kernel,
        status=status,
        head=invocation.head,
        head_kind=kind,
        cuda_ns=cuda_ns,
        input_digest=invocation.input_digest,
        output_digest=output_digest,
        partition=invocation.partition,
        sandbox=invocation.tier,
        attempt=invocation.attempt,
        reading=measured.reading(
            invocation,
            kind=kind,
            status=status,
            work=work,
            waited=waited,
            checkpoint=checkpoint,
            error=error,
        ),
    )
