"""The kernel behind a ticket, run again: does it still give what the ticket says?

Only of kernels that are the same whenever they run can that be asked: circuits, whose sampling is
seeded, and Python that imports nothing which could tell one day from another. One that gives
different outputs twice in a row is none of those, whatever it imports.
"""

from __future__ import annotations

import logging
from pathlib import Path

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.ledger.ledger import TicketRow
from chimera_pipelines.lifecycle.rehearsal import Rehearsal
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.maml.reader import read_file
from chimera_pipelines.scheduling.plan import Plan, compile_plan

_CIRCUITS = frozenset({"qiskit", "qasm"})
_TIMELESS = frozenset(
    {
        "__future__",
        "bisect",
        "cmath",
        "collections",
        "dataclasses",
        "decimal",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "networkx",
        "numpy",
        "operator",
        "pymatching",
        "qiskit",
        "re",
        "scipy",
        "statistics",
        "stim",
        "string",
        "sympy",
        "torch",
        "typing",
    }
)
_log = logging.getLogger(__name__)


def is_deterministic(kernel: KernelSpec) -> bool:
    """Whether equal inputs should always give an equal output."""
    blocks = [kernel.block] if kernel.feedback is None else [kernel.block, kernel.feedback]
    return all(
        block.language in _CIRCUITS | {"python"} and set(block.imports) <= _TIMELESS
        for block in blocks
    )


class KernelAgain:
    """Runs kernels of tickets again, in this process; a `lifecycle.replay.Recompute`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._plans: dict[Path, Plan] = {}

    def __call__(self, ticket: TicketRow, document: Path) -> str | None:
        """`out` as it comes now.

        None when that says nothing: the text has changed since, the run had inputs of its own, its
        upstream outputs are gone, the kernel is not deterministic, or it was measured elsewhere.
        """
        try:
            return self._again(ticket, document)
        except ChimeraError as error:
            _log.warning("ticket %s of '%s' cannot be recomputed: %s", ticket.seq, document, error)
            return None

    def _again(self, ticket: TicketRow, document: Path) -> str | None:
        plan = self._plan(document)
        kernel = next((k for k in plan.kernels if k.name == ticket.kernel), None)
        if plan.document.digest != ticket.doc or kernel is None or not is_deterministic(kernel):
            return None
        on_gpu = self._services.settings.device == "gpu"
        if on_gpu != (ticket.cuda_ns is not None):
            return None  # another device rounds in another way
        first = self._output(plan, kernel, ticket)
        if first == ticket.output_digest or first is None:
            return first
        return first if self._output(plan, kernel, ticket) == first else None

    def _output(self, plan: Plan, kernel: KernelSpec, ticket: TicketRow) -> str | None:
        run_id = str(ticket.run_id)
        run = Rehearsal.open(
            plan.document,
            plan.kernels,
            run_id=run_id,
            partition=ticket.partition,
            inputs={},
            force=True,
            services=self._services,
        )
        assert isinstance(run, Rehearsal)  # noqa: S101 - open makes what it is called on
        try:
            outputs = self._services.ledger.published(run_id, ticket.document_id, ticket.partition)
            if not set(kernel.data_producers) <= set(outputs):
                return None
            upstream = {name: run.output(outputs[name]) for name in kernel.data_producers}
            return run.output_digest(kernel, upstream, given=str(ticket.input_digest))
        finally:
            run.close()

    def _plan(self, document: Path) -> Plan:
        if document not in self._plans:
            self._plans[document] = compile_plan(read_file(document))
        return self._plans[document]
