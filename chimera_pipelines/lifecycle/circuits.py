"""Phases 2 to 4 of qiskit and qasm blocks: circuits cross from the sandbox as records.

The block's `circuit` (or the QASM program) is read inside the sandbox and comes back as circuit
records; the head validates, embeds, evolves and measures them. What a phase hands on is a register
on the head *and* its snapshot, saved as a state of the head.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import CheckpointError, ChimeraError, KernelError, Where
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.lifecycle import calls
from chimera_pipelines.lifecycle.functions import LanguagePhases, available
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.budget import Budget, Shots

if TYPE_CHECKING:
    from chimera_pipelines.quantum.record import CircuitRecord

_LOG = logging.getLogger(__name__)
_ENCODE = "chimera_pipelines.quantum.write:encode_circuits"
_PARSE_QASM = "chimera_pipelines.quantum.qasm:parse_qasm"


class Circuits:
    """A qiskit or qasm block."""

    def embed(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> dict[str, Any]:
        """Circuit records, the observable and the features that go in front."""
        found = self._written(run, kernel, invocation, left_s)
        payload: dict[str, Any] = {
            "circuits": found["circuits"],
            "list": found["list"],
            "observable": self._observable(run, kernel, invocation, left_s),
        }
        self._register(run, kernel, invocation, payload)
        return payload

    def propagate(
        self,
        run: Run,
        kernel: KernelSpec,
        invocation: Invocation,
        payload: Mapping[str, Any],
        left_s: float,
        *,
        seed: int | None = None,
    ) -> dict[str, Any]:
        """Evolve on the head; the register's snapshot is saved as a state."""
        head, handle = self._evolved(run, kernel, invocation, payload, seed)
        return {**payload, **self.stored(run, kernel, head, handle)}

    def stored(self, run: Run, kernel: KernelSpec, head: Head, handle: Any) -> dict[str, Any]:
        """Save a register's snapshot as a state; the run drops the handle at its end."""
        data = head.snapshot(handle)
        saved = run.save_register(kernel, data)
        run.keep_register(kernel.name, saved.id, handle)
        return {"register": saved.id, "register_bytes": len(data)}

    def measure(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Counts, probabilities or expectation values.

        A register that is gone with its head and too many of its shares is evolved again.
        """
        head = run.head(invocation.head)
        try:
            handle = run.register(kernel, head, payload["register"])
        except CheckpointError as error:
            _LOG.warning("%s; '%s' is propagated again", error.message, kernel.name)
            _, handle = self._evolved(run, kernel, invocation, payload, None)
            run.keep_register(kernel.name, payload["register"], handle)
        return self._measured(run, kernel, invocation.seed, payload, head, handle)

    def one_pass(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, seed: int, left_s: float
    ) -> tuple[dict[str, Any], Any]:
        """Phases 2 to 4 again for a feedback pass, and its live register, which nothing stores."""
        payload = self.embed(run, kernel, invocation, left_s)
        head, handle = self._evolved(run, kernel, invocation, payload, seed)
        try:
            return self._measured(run, kernel, seed, payload, head, handle), handle
        except BaseException:
            head.drop(handle)
            raise

    def _written(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> dict[str, Any]:
        block, file = kernel.block, run.document.path
        session = run.session(kernel, phase=Phase.EMBED)
        names = available(run, kernel, invocation)
        if block.language == "qasm":
            wanted = {
                name: names[name] for name in block.functions[str(block.entry)] if name in names
            }
            given: dict[str, JSONValue] = {"source": block.source, "inputs": wanted}
            outcome = session.invoke(_PARSE_QASM, given, timeout_s=left_s)
        else:
            chosen = calls.arguments(block, "circuit", names, file=file)
            arguments, attachments = calls.pack(chosen, run.services.store)
            assert isinstance(arguments, dict)  # noqa: S101 - pack keeps the outer object
            outcome = session.call(
                block.name,
                "circuit",
                arguments,
                attachments=attachments,
                encode=_ENCODE,
                timeout_s=left_s,
            )
        found = calls.returned(outcome, block, file=file, phase=Phase.EMBED).value
        return calls.json_object(found, block, file=file, phase=Phase.EMBED)

    def _observable(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, left_s: float
    ) -> Any:
        block, file = kernel.block, run.document.path
        if "observable" not in block.functions:
            return None
        chosen = calls.arguments(block, "observable", available(run, kernel, invocation), file=file)
        arguments, attachments = calls.pack(chosen, run.services.store)
        assert isinstance(arguments, dict)  # noqa: S101 - pack keeps the outer object
        session = run.session(kernel, phase=Phase.EMBED)
        outcome = session.call(
            block.name, "observable", arguments, attachments=attachments, timeout_s=left_s
        )
        found = calls.returned(outcome, block, file=file, phase=Phase.EMBED).value
        return calls.json_object(found, block, file=file, phase=Phase.EMBED)

    def _register(
        self, run: Run, kernel: KernelSpec, invocation: Invocation, payload: dict[str, Any]
    ) -> None:
        """Read the features now, so that a wrong one is refused in phase 2; validate records."""
        from chimera_pipelines.quantum.embedding import Embedding
        from chimera_pipelines.quantum.record import circuits_from_json

        with _located(run, kernel):
            circuits, is_list = circuits_from_json(dict(payload))
            _, _, report = _with_evolution(kernel, invocation, circuits, is_list=is_list)
        if report:
            payload["evolution"] = report
        options = kernel.options.get("embedding")
        if options is not None:
            features = invocation.inputs[str(options["features"])]
            Embedding.from_options(options, features)
            payload["embedding"] = {**options, "rows": features}

    def _evolved(
        self,
        run: Run,
        kernel: KernelSpec,
        invocation: Invocation,
        payload: Mapping[str, Any],
        seed: int | None,
    ) -> tuple[Head, Any]:
        from chimera_pipelines.quantum.embedding import Embedding
        from chimera_pipelines.quantum.record import circuits_from_json

        head = run.head(invocation.head)
        embedding = payload.get("embedding")
        backend = kernel.options.get("backend", {})
        with _located(run, kernel):
            circuits, is_list = circuits_from_json(dict(payload))
            evolved, several, _ = _with_evolution(kernel, invocation, circuits, is_list=is_list)
            embedded = head.embed(
                evolved,
                several,
                None if embedding is None else Embedding.from_options(embedding, embedding["rows"]),
                method=backend.get("method", "automatic"),
                precision=backend.get("precision", "double"),
                noise=backend.get("noise"),
            )
            try:
                handle = head.propagate(
                    embedded,
                    shots=kernel.shots,
                    seed=invocation.seed if seed is None else seed,
                    observable=payload["observable"],
                )
            finally:
                head.drop(embedded)
        return head, handle

    def _measured(
        self,
        run: Run,
        kernel: KernelSpec,
        seed: int,
        payload: Mapping[str, Any],
        head: Head,
        handle: Any,
    ) -> dict[str, Any]:
        with _located(run, kernel):
            found = head.measure(
                handle, shots=kernel.shots, seed=seed, observable=payload["observable"]
            )
        return {
            "measurements": found.to_json(),
            "circuit": payload["circuits"][0],
            "register": payload.get("register"),
            "register_bytes": payload.get("register_bytes"),
            **({"evolution": payload["evolution"]} if "evolution" in payload else {}),
        }


def _with_evolution(
    kernel: KernelSpec,
    invocation: Invocation,
    circuits: tuple[CircuitRecord, ...],
    *,
    is_list: bool,
) -> tuple[tuple[CircuitRecord, ...], bool, dict[str, JSONValue]]:
    """The circuits with the kernel's `evolution` behind them, and its report; empty without."""
    from chimera_pipelines.quantum.evolution_circuits import Evolution, evolve_circuits

    options = kernel.options.get("evolution")
    if options is None:
        return circuits, is_list, {}
    evolution = Evolution.from_options(options, invocation.inputs)
    return evolve_circuits(circuits, evolution, is_list=is_list)


class _located:  # noqa: N801 - reads as a statement
    """Gives errors of heads the place of the kernel in the document."""

    def __init__(self, run: Run, kernel: KernelSpec) -> None:
        self.where = Where(run.document.path, kernel.block.first_line)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ChimeraError) and error.where is None:
            error.where = self.where


def published(payload: Mapping[str, Any], shots: Shots, language: str) -> dict[str, Any]:
    """What a kernel without `post` publishes (MAML.md §4); a budget adds `error`.

    Raises:
        KernelError: MAML904, nothing was measured.
    """
    results, is_list = payload["measurements"]["results"], payload["measurements"]["list"]
    name, values = result_kind(payload)
    output = {name: values if is_list else values[0], "shots": shots}
    if isinstance(shots, Budget):
        output |= spent(payload)
    if "evolution" in payload:
        output["evolution"] = payload["evolution"]
    if language == "qasm":
        output["registers"] = list(results[0]["registers"])
    return output


def spent(payload: Mapping[str, Any]) -> dict[str, Any]:
    """`shots` that a budget took, and standard `error`s of expectation values, where known."""
    results, is_list = payload["measurements"]["results"], payload["measurements"]["list"]
    found = {}
    for name in ("shots", "error"):
        values = [result[name] for result in results if result.get(name) is not None]
        if values:
            found[name] = values if is_list else values[0]
    return found


def result_kind(payload: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """`counts`, `probabilities` or `expectation`, whichever was measured, and a value a circuit."""
    results = payload["measurements"]["results"]
    for name in ("expectation", "counts", "probabilities"):
        if results and results[0].get(name) is not None:
            return name, [result[name] for result in results]
    raise KernelError("MAML904", "the circuit measures nothing", phase=Phase.MEASURE)


CIRCUITS = Circuits()
_IS_LANGUAGE: LanguagePhases = CIRCUITS
