"""A kernel run once more, to see what it gives now: nothing is signed, published or reused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chimera_pipelines.digest import JSONValue, digest
from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import loop, phases
from chimera_pipelines.lifecycle.receipts import TicketReceipt
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec


@dataclass(slots=True)
class Rehearsal(Run):
    """A run whose attempts leave no tickets."""

    def fail(
        self, invocation: Invocation, error: KernelError, elapsed_s: float = 0.0
    ) -> TicketReceipt:
        """End the kernel's session; the error goes to whoever asked for the rehearsal."""
        self.release(invocation.kernel)
        raise error

    def output_digest(
        self, kernel: KernelSpec, upstream: Mapping[str, JSONValue], *, given: str
    ) -> str | None:
        """`out` of the kernel; None when its inputs are not those with the digest `given`.

        Raises:
            ChimeraError: it failed, which is no output either.
        """
        try:
            first = phases.deserialize(self, kernel, upstream)
            if first.invocation.input_digest != given:
                return None
            last = phases.measure(self, phases.propagate(self, phases.embed(self, first)))
            found = loop.finish(
                self, kernel, last.invocation, last.payload, lambda: kernel.timeout_s
            )
            return digest(found.output)
        finally:
            self.release(kernel.name)
