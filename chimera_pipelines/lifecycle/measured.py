"""What was measured of an attempt, as the ledger keeps it beside the attempt's ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chimera_pipelines.errors import KernelError
from chimera_pipelines.ledger.readings import Reading, Stored
from chimera_pipelines.lifecycle.records import Invocation


def reading(
    invocation: Invocation,
    *,
    kind: str,
    status: str,
    work: str,
    waited: float | None,
    checkpoint: Mapping[str, Any] | None,
    error: KernelError | None,
) -> Reading:
    """The reading of an attempt whose ticket is about to be signed.

    Args:
        invocation: with the seconds of every phase that was run in this attempt.
        kind: of the head.
        status: of the ticket.
        work: as `KernelSpec.work`.
        waited: seconds before it started on its head.
        checkpoint: the stored checkpoint, as in an `Outcome`.
        error: what ended the attempt, for a failed one.
    """
    stored = None
    if checkpoint is not None:
        stored = Stored(checkpoint["id"], checkpoint["bytes"], checkpoint["shares"])
    return Reading(
        leaf="",
        head_kind=kind,
        status=status,
        seconds={str(phase): round(spent, 6) for phase, spent in invocation.seconds.items()},
        failed_phase=None if error is None else str(error.phase),
        waited=waited,
        checkpoint=stored,
        work=work,
        code=None if error is None else error.code,
    )
