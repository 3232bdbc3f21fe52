"""The end of an attempt whose head cannot tell of it any more: signed by the run in its place.

The head is known to have ended when this is called (`Death.known`, `Fleet.fence`): two would sign
else. What it had signed stands: a published output is adopted, a failed attempt is told as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chimera_pipelines.errors import ChimeraError, KernelError, Where
from chimera_pipelines.lifecycle import attempts, publish
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import FailedAttempt, Run
from chimera_pipelines.scheduling.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: with an outcome, or with an error and mostly a ticket."""

    outcome: Outcome | None = None
    error: ChimeraError | None = None
    failure: FailedAttempt | None = None


def abandon(
    run: Run, attempt: Attempt, head: str, incarnation: int | None, error: ChimeraError
) -> Ending:
    """End an attempt with `error`, unless the head had ended it otherwise.

    Args:
        run: the run, which may sign for all heads.
        attempt: the one.
        head: where it ran last.
        incarnation: number of the process that is dead, if it is known.
        error: why it ends.
    """
    kernel = attempt.kernel
    invocation = attempt.invocation or attempts.begun(run, kernel, attempt.number, run.head(head))
    invocation = replace(invocation, head=head, attempt=attempt.number)
    if incarnation is not None:
        invocation = replace(invocation, incarnation=incarnation)
    try:
        tickets = run.tickets(kernel)
        signed = next((ticket for ticket in tickets if ticket.status != "failed"), None)
        if signed is not None:
            return Ending(publish.adopt(run, kernel, invocation, signed))
        failed = attempts.failed_before(run, kernel, invocation)
        if failed is not None:
            return Ending(None, *failed)
        run.fail(invocation, _recorded(run, attempt, error))
    except ChimeraError as refused:
        return Ending(None, refused)
    return Ending(None, error, run.failures.pop(kernel.name))


def _recorded(run: Run, attempt: Attempt, error: ChimeraError) -> KernelError:
    """The error as a failed ticket records it."""
    kernel = attempt.kernel
    where = error.where or Where(run.document.path, kernel.line, kernel.column)
    return KernelError(error.code, error.message, phase=attempt.phase, where=where, hint=error.hint)
