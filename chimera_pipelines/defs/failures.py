"""Errors of ours as Dagster's: same code, place and hint as on the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from chimera_pipelines.defs.resources import STOPPED_TAG
from chimera_pipelines.errors import ChimeraError, KernelError
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling.plan import Plan


def error_metadata(error: ChimeraError) -> dict[str, Any]:
    """The `error` object of CLI.md as metadata: code, file, line, hint, whole."""
    found: dict[str, Any] = {"code": error.code, "error": dg.MetadataValue.json(error.as_json())}
    if error.where is not None:
        found["file"] = dg.MetadataValue.path(error.where.file or "<text>")
        found["line"] = error.where.line
        found["column"] = error.where.column
    if error.hint:
        found["hint"] = error.hint
    if isinstance(error, KernelError):
        found["phase"] = str(error.phase)
    return found


def failure(error: ChimeraError) -> dg.Failure:
    """A failure that Dagster does not retry: the same inputs and seed fail again."""
    return dg.Failure(str(error), metadata=error_metadata(error), allow_retries=False)


@contextmanager
def reported(context: dg.OpExecutionContext, plan: Plan, kernel: KernelSpec) -> Iterator[None]:
    """Turn what `lifecycle` raises into a failure, or into a retry that the kernel has left.

    A critical kernel that fails for good stops the whole run (MAML.md §3): its name goes into the
    run's tags, where `refuse_when_stopped` finds it, in whichever process the next step is.

    Retries are of the kernel, while Dagster counts those of a step: what counts is how many
    attempts left a failed ticket. The run's end is not recorded: other kernels may go on.
    """
    try:
        yield
    except ChimeraError as error:
        if isinstance(error, KernelError) and error.retryable and kernel.retries:
            partition = context.partition_key if context.has_partition_key else None
            following = context.resources.chimera.attempt(plan, kernel.name, partition)
        else:
            following = None
        if following is not None and following <= 1 + kernel.retries:
            context.log.warning("%s; attempt %d follows", error, following)
            raise dg.RetryRequested(max_retries=kernel.retries) from error
        if kernel.critical:
            context.instance.add_run_tags(context.run_id, {STOPPED_TAG: kernel.name})
        raise failure(error) from error


def refuse_when_stopped(context: dg.OpExecutionContext) -> None:
    """Fail the step when a critical kernel of this run has failed.

    Raises:
        dagster.Failure: says which kernel.
    """
    run = context.instance.get_run_by_id(context.run_id)
    by = run.tags.get(STOPPED_TAG) if run else None
    if by:
        raise dg.Failure(f"not started: critical kernel '{by}' failed", allow_retries=False)
