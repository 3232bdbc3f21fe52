"""The end of an invocation: output checked, stored, checkpointed on the ring, signed.

The order matters: the content store and the ring hold the output before the ticket speaks of it, so
that no ticket ever names what does not exist.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chimera_pipelines.contracts import schema
from chimera_pipelines.digest import JSONValue, NotCanonicalError
from chimera_pipelines.errors import CheckpointError, KernelError, Where
from chimera_pipelines.lifecycle import registers
from chimera_pipelines.lifecycle.decoded import count_decoded
from chimera_pipelines.lifecycle.inputs import Sources
from chimera_pipelines.lifecycle.loop import Finished
from chimera_pipelines.lifecycle.receipts import SignedTicket
from chimera_pipelines.lifecycle.records import Invocation, Outcome, Status
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.maml.names import SUFFIX, slug
from chimera_pipelines.maml.reader import read_file
from chimera_pipelines.phase import Phase
from chimera_pipelines.ring.checkpoint import MEDIA, pack

_LOG = logging.getLogger(__name__)
_NOTE = "outcome "  # and its content id: what another head published is never overwritten
_NOTHING = Finished({})


def publish(
    run: Run,
    kernel: KernelSpec,
    invocation: Invocation,
    finished: Finished,
    elapsed_s: Callable[[], float],
) -> Outcome:
    """Check, store, checkpoint and sign a new output.

    Raises:
        KernelError: MAML904 no JSON object, MAML505 not as Output_Schema has it.
    """
    where = Where(run.document.path, kernel.block.first_line)
    try:
        content, text = run.store_output(kernel, finished.output)
    except NotCanonicalError as error:
        raise KernelError("MAML904", str(error), phase=Phase.FEEDBACK, where=where) from None
    output = run.output(content)
    _check_output(kernel, output, where)
    checkpoint = _checkpoint(run, kernel, text, finished.register)
    outcome = _signed(run, kernel, invocation, elapsed_s, "ok", content, checkpoint, finished)
    if (outcome.head, outcome.output_digest) == (invocation.head, content):
        count_decoded(run.services.ledger, output, invocation.inputs)
    return outcome


def reuse(
    run: Run, kernel: KernelSpec, invocation: Invocation, elapsed_s: Callable[[], float]
) -> Outcome:
    """Sign that an earlier output stands in; it is checkpointed again if its shares are gone."""
    content = str(invocation.reused)
    text = run.services.store.get(content)
    checkpoint = _checkpoint(run, kernel, text, None)
    return _signed(run, kernel, invocation, elapsed_s, "reused", content, checkpoint, _NOTHING)


def adopt(run: Run, kernel: KernelSpec, invocation: Invocation, signed: SignedTicket) -> Outcome:
    """The outcome that another process signed and did not live to tell.

    It left what is needed in a note; of one that is lost, the output and the ticket remain.
    """
    output = run.output(signed.output_digest)
    registers.let_go(run.services, run.run_id, kernel.name)
    note = run.noted(kernel.name, _NOTE + signed.output_digest)
    if note is not None:
        return replace(Outcome.from_json(note), output=output, ticket=asdict(signed.receipt))
    text = run.services.store.get(signed.output_digest)
    mine = replace(invocation, head=signed.head)
    status: Any = signed.status
    found = _outcome(mine, status, signed.output_digest, _checkpoint(run, kernel, text, None))
    ticket = asdict(signed.receipt)
    return replace(found, output=output, cuda_ns=signed.cuda_ns, ticket=ticket)


def _signed(
    run: Run,
    kernel: KernelSpec,
    invocation: Invocation,
    elapsed_s: Callable[[], float],
    status: Status,
    content: str,
    checkpoint: Mapping[str, Any],
    finished: Finished,
) -> Outcome:
    """Note the outcome, then sign it; where another one stands already, that one counts."""
    done = invocation.after(Phase.FEEDBACK, elapsed_s())
    outcome = _outcome(done, status, content, checkpoint, finished)
    run.note(kernel.name, _NOTE + content, outcome.to_json())
    signed = run.sign(done, status, content, finished.cuda_ns, checkpoint=checkpoint)
    if (signed.status, signed.head, signed.output_digest) != (status, invocation.head, content):
        return adopt(run, kernel, invocation, signed)
    if finished.register is not None:
        registers.let_go(run.services, run.run_id, kernel.name)
    seconds = invocation.after(Phase.FEEDBACK, elapsed_s()).seconds
    ticket = asdict(signed.receipt)
    return replace(outcome, output=run.output(content), ticket=ticket, seconds=seconds)


def sources(run: Run, upstream: Mapping[str, JSONValue]) -> Sources:
    """Where the references of a kernel of this run point to."""

    def published(document: str, kernel: str) -> JSONValue:
        document_id = _id_of(document, run.services.settings.documents)
        row = run.services.ledger.latest_output(document_id, document, kernel)
        if row is None:
            raise KernelError(
                "MAML505",
                f"document '{document}' has published no output of '{kernel}' here",
                hint="run that document first",
            )
        return run.output(row.output_digest)

    return Sources(
        outputs=upstream,
        run_inputs=run.inputs,
        partition=run.partition,
        dataset_root=run.services.settings.dataset_root,
        published=published,
    )


def _id_of(document: str, folder: Path) -> str:
    """The id of the project's document of that slug; a file elsewhere may have the same name.

    Raises:
        KernelError: MAML505, the project has no such document.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if slug(path.name) == document:
            found = read_file(path)
            if "id" in found.front_matter:
                return found.id
    raise KernelError(
        "MAML505",
        f"there is no document '{document}' in '{folder}'",
        hint="outputs are read of the project's own documents: put it there and run it",
    )


def _check_output(kernel: KernelSpec, output: JSONValue, where: Where) -> None:
    if kernel.output_schema is None:
        return
    problems = schema.validate(kernel.output_schema, output)
    if problems:
        raise KernelError(
            "MAML505",
            f"output of '{kernel.name}': {problems[0]}",
            phase=Phase.FEEDBACK,
            where=where,
            hint="see ## Output_Schema",
        )


def _checkpoint(run: Run, kernel: KernelSpec, text: bytes, register: str | None) -> dict[str, Any]:
    found = run.services.ring.store(
        pack(text, _registers(run, kernel, register)),
        document=run.document.slug,
        kernel=kernel.name,
        media=MEDIA,
        sealing=run.sealing(kernel),
    )
    registers.record_lacking(run.services, found.lacking, f"checkpoint of {kernel.name}")
    held = list(found.shares)
    return {"id": found.id, "bytes": found.bytes, "shares": len(held), "heads": held}


def _registers(run: Run, kernel: KernelSpec, content: str | None) -> dict[str, bytes]:
    """The register to be kept beside the output; none when its head and its shares are lost."""
    if content is None:
        return {}
    try:
        data = registers.load(run.services, run.document.slug, kernel.name, content)
    except CheckpointError as error:
        _LOG.warning("%s; the checkpoint of '%s' has no register", error.message, kernel.name)
        return {}
    return {"register": bytes(data)}


def _outcome(
    invocation: Invocation,
    status: Status,
    content: str,
    checkpoint: Mapping[str, Any],
    finished: Finished = _NOTHING,
) -> Outcome:
    """All of an outcome but its output, which lies in the content store, and its ticket."""
    return Outcome(
        kernel=invocation.kernel,
        status=status,
        attempts=invocation.attempt,
        head=invocation.head,
        device=invocation.device,
        incarnation=invocation.incarnation,
        tier=invocation.tier,
        input_digest=invocation.input_digest,
        output_digest=content,
        output=None,
        cuda_ns=finished.cuda_ns,
        seconds=invocation.seconds,
        series=finished.series,
        ticket={},
        checkpoint=checkpoint,
        drawing=finished.drawing,
        reused_from=invocation.reused_from,
        passes=finished.passes,
    )
