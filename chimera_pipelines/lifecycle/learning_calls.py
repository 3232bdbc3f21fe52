"""The call of a feedback block that learns, on an AI head: the hybrid loop.

A quantum head evolves and measures, an AI head turns what was measured into the next parameters.
The kernel and its one ticket are the quantum head's. The session is lent for as long as the loop
lasts, so that PyTorch is imported once.

An AI head that dies in a call takes nothing along, for the call's arguments are all that the block
is given: the call is made again on the head that the router names next, `MOST_LOSSES` times a pass
at most. Where there is no AI head to be asked, as on a machine of a cluster that has none, the
block runs beside its kernel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import HeadUnavailableError, KernelError, Where
from chimera_pipelines.lifecycle import calls
from chimera_pipelines.lifecycle.lending import Lent, Wish
from chimera_pipelines.lifecycle.preload import feedback_preload
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.sandbox.outcomes import Attachment, Outcome

MOST_LOSSES = 4
_log = logging.getLogger(__name__)


def call(
    run: Run,
    kernel: KernelSpec,
    arguments: Mapping[str, JSONValue],
    attachments: Sequence[Attachment],
    left: Callable[[], float],
) -> Outcome:
    """Call the kernel's feedback block on an AI head; `Run.borrowed` then says on which.

    Raises:
        KernelError: MAML902 no time is left, MAML903 head after head died in this call, and what
            the block's top level raises.
        HeadUnavailableError: CHIM731, no AI head may run a critical kernel.
    """
    block = kernel.feedback
    assert block is not None and block.entry is not None  # noqa: S101, PT018 - checked by the reader
    lost: list[str] = []
    while True:
        if left() <= 0.0:
            raise _time_up(run, kernel)
        try:
            lent = run.borrowed.of(kernel.name) or _borrow(run, kernel, tuple(lost), left)
            return lent.session.call(
                block.name, block.entry, arguments, attachments=attachments, timeout_s=left()
            )
        except HeadUnavailableError as error:
            gone = run.borrowed.give_back(kernel.name)
            if error.code != "CHIM714":
                raise
            if gone is None:
                continue  # none answered in time, of which `left` tells
            lost.append(gone.head)
            _log.warning("feedback of '%s' is called again: %s", kernel.name, error.message)
            if len(lost) > MOST_LOSSES:
                raise _lost(run, kernel, lost) from error


def _borrow(
    run: Run, kernel: KernelSpec, avoid: tuple[str, ...], left: Callable[[], float]
) -> Lent:
    """A session with the block loaded."""
    spec = SessionSpec(run.tier, feedback_preload(kernel), kernel.timeout_s)
    lender, block = run.services.lender, kernel.feedback
    assert block is not None  # noqa: S101 - the caller has looked
    lent = lender.lend(Wish(run.run_id, kernel, spec, avoid, left))
    if lent is None:
        head = run.head_of(kernel)
        session = run.services.open(head, spec)
        lent = Lent(session, head.describe().id, run.services.incarnation(head))
    run.borrowed.hold(kernel.name, lent)
    outcome = lent.session.load(
        block.name,
        block.source,
        filename=Path(run.document.path).name,
        first_line=block.first_line,
    )
    calls.returned(outcome, block, file=run.document.path, phase=Phase.FEEDBACK)
    return lent


def _lost(run: Run, kernel: KernelSpec, lost: Sequence[str]) -> KernelError:
    block = kernel.feedback
    line = kernel.line if block is None else block.first_line
    return KernelError(
        "MAML903",
        f"{len(lost)} AI heads died while they ran one call of the feedback block: "
        + ", ".join(lost),
        phase=Phase.FEEDBACK,
        where=Where(run.document.path, line),
        hint="see 'chimera heads history', and agent.log in the folder of the heads",
    )


def _time_up(run: Run, kernel: KernelSpec) -> KernelError:
    return calls.OutOfTimeError(
        "MAML902",
        f"timeout of {kernel.timeout_s:g} s",
        phase=Phase.FEEDBACK,
        where=Where(run.document.path, kernel.line, kernel.column),
        hint="raise the kernel's timeout",
    )
