"""Phases 2 to 4 of python blocks: inputs to arrays, the call, the result to JSON or blobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle import calls
from chimera_pipelines.lifecycle.call_notes import notes_of
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.budget import Budget


class LanguagePhases(Protocol):
    """Phases 2 to 4 of one block language; payloads are those of `lifecycle.records`."""

    def embed(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> dict[str, Any]:
        """Payload of `Embedded`."""
        ...

    def propagate(
        self,
        run: Run,
        kernel: KernelSpec,
        invocation: Invocation,
        payload: Mapping[str, Any],
        left_s: float,
    ) -> dict[str, Any]:
        """Payload of `Propagated`."""
        ...

    def measure(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Payload of `Measured`."""
        ...


def available(run: Run, kernel: KernelSpec, invocation: Invocation) -> dict[str, JSONValue]:
    """What a function of the kernel may ask for: inputs, seed, shots, partition, iteration.

    `shots` is the most that a budget allows; what it took is known to `post` alone.
    """
    shots = kernel.shots
    names: dict[str, JSONValue] = {
        "seed": invocation.seed,
        "shots": shots.most if isinstance(shots, Budget) else shots,
    }
    if run.document.partitioned:
        names["partition"] = invocation.partition
    if kernel.feedback is not None:
        names["iteration"] = invocation.iteration
    return {**names, **invocation.inputs}


class Functions:
    """A python block: its entry is called once."""

    def embed(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> dict[str, Any]:
        """Arguments of the entry; they become arrays of the sandbox's device in the call."""
        block = kernel.block
        assert block.entry is not None  # noqa: S101 - the reader refuses blocks without (MAML315)
        names = available(run, kernel, invocation)
        return {"arguments": calls.arguments(block, block.entry, names, file=run.document.path)}

    def propagate(
        self,
        run: Run,
        kernel: KernelSpec,
        invocation: Invocation,
        payload: Mapping[str, Any],
        left_s: float,
    ) -> dict[str, Any]:
        """The entry's result; arrays beyond 65,536 elements and bytes go to the content store."""
        block, file = kernel.block, run.document.path
        session = run.session(kernel, phase=Phase.PROPAGATE)
        arguments, attachments = calls.pack(dict(payload["arguments"]), run.services.store)
        assert isinstance(arguments, dict)  # noqa: S101 - pack keeps the outer object
        outcome = session.call(
            block.name,
            str(block.entry),
            arguments,
            attachments=attachments,
            timeout_s=left_s,
            notes=notes_of(run, invocation),
        )
        found = calls.returned(outcome, block, file=file, phase=Phase.PROPAGATE)
        store, inputs = run.store(kernel), invocation.inputs
        value = calls.received(found, block, store, inputs, file=file, phase=Phase.PROPAGATE)
        return {"value": value}

    def measure(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The result as one JSON object."""
        file = run.document.path
        value = calls.json_object(payload["value"], kernel.block, file=file, phase=Phase.MEASURE)
        return {"output": value}


FUNCTIONS: LanguagePhases = Functions()
