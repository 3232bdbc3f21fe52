"""Phase 5 of a kernel that is not reused: `post`, and the feedback loop back to phase 2.

A loop is one invocation and one ticket. Pass n simulates with seed + n − 1; carried values replace
inputs; reaching the limit is no failure (MAML.md §4, feedback). What `post` returned wins over an
input of the same name, but not over a carried one: that is the loop's own state, and a `post` that
publishes it in another form must not change what the next pass starts from.

Between two passes the loop leaves a note (`carried`), from which another head goes on.

The register of each pass lives on the head until the next one begins; only the last is stored, for
the checkpoint to hold it beside the last output. The ticket's CUDA time is that of all passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError, Where
from chimera_pipelines.lifecycle import calls, circuits, learning_calls
from chimera_pipelines.lifecycle.carried import Carried
from chimera_pipelines.lifecycle.functions import available
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.budget import Budget

DEFAULT_MAX_ITERATIONS = 100


@dataclass(frozen=True, slots=True)
class Finished:
    """An output before its schema is checked, numbers of each pass, and what may be drawn."""

    output: dict[str, Any]
    series: Mapping[str, list[float]] = field(default_factory=dict)
    drawing: Mapping[str, Any] = field(default_factory=dict)
    cuda_ns: int | None = None
    register: str | None = None
    passes: Sequence[Mapping[str, Any]] = field(default_factory=list)


def finish(
    run: Run,
    kernel: KernelSpec,
    invocation: Invocation,
    payload: Mapping[str, Any],
    left: Callable[[], float],
) -> Finished:
    """The output that the kernel publishes.

    Raises:
        KernelError: MAML901–904 of `post` or the feedback block, MAML902 when time is up.
    """
    if "measurements" not in payload:
        return Finished(dict(payload["output"]))
    if kernel.feedback is None:
        output = _post(run, kernel, invocation, payload, left())
        drawing, register = _drawing(payload, payload), payload.get("register")
        return Finished(output, {}, drawing, _cuda(payload), register)
    so_far = Carried.of(run, invocation)
    if so_far.iteration == 1:
        so_far.cuda_ns = _cuda(payload)
    passes = _Passes(run, kernel, payload, so_far)
    try:
        output = _iterate(passes, invocation, left)
        register = passes.register()
    finally:
        passes.drop()
    drawing = _drawing(payload, passes.last)
    return Finished(output, so_far.series, drawing, so_far.cuda_ns, register, so_far.passes)


@dataclass(slots=True)
class _Passes:
    """What is kept of a loop's passes: the last one's results and register, and what it carries."""

    run: Run
    kernel: KernelSpec
    last: Mapping[str, Any]
    so_far: Carried
    handle: Any = None

    def again(self, invocation: Invocation, seed: int, left_s: float) -> Mapping[str, Any]:
        """One more pass; the register of the one before it is dropped first."""
        self.drop()
        self.last, self.handle = circuits.CIRCUITS.one_pass(
            self.run, self.kernel, invocation, seed, left_s
        )
        spent = _cuda(self.last)
        if spent is not None:
            self.so_far.cuda_ns = spent + (self.so_far.cuda_ns or 0)
        return self.last

    def register(self) -> str | None:
        """Content id of the last pass's register, stored now unless phase 3 did."""
        if self.handle is None:
            return self.last.get("register")
        handle, self.handle = self.handle, None
        head = self.run.head(handle.head)
        stored = circuits.CIRCUITS.stored(self.run, self.kernel, head, handle)
        return str(stored["register"])

    def drop(self) -> None:
        """Free the last pass's register, if it is still held here."""
        if self.handle is not None:
            self.run.head(self.handle.head).drop(self.handle)
            self.handle = None


def _iterate(passes: _Passes, invocation: Invocation, left: Callable[[], float]) -> dict[str, Any]:
    run, kernel, so_far = passes.run, passes.kernel, passes.so_far
    limit = int(kernel.options["feedback"].get("max_iterations", DEFAULT_MAX_ITERATIONS))
    for iteration in range(so_far.iteration, limit + 1):
        given = {**invocation.inputs, **so_far.inputs}
        current = replace(invocation, inputs=given, iteration=iteration)
        if iteration > 1:
            if left() <= 0.0:
                raise _time_up(run, kernel)
            passes.again(current, invocation.seed + iteration - 1, left())
        output = _post(run, kernel, current, passes.last, left())
        carried, done = _step(run, kernel, current, output, left)
        so_far.ended(current, output, run.borrowed.of(kernel.name))
        if done or iteration == limit:
            return {**output, "iterations": iteration, "converged": done}
        so_far.go_on(run, current, carried)
    raise AssertionError("max_iterations is at least 1 by the schema")


def _step(
    run: Run,
    kernel: KernelSpec,
    invocation: Invocation,
    output: Mapping[str, JSONValue],
    left: Callable[[], float],
) -> tuple[dict[str, JSONValue], bool]:
    """Call the feedback block; returns the carried values and `done`."""
    block, file = kernel.feedback, run.document.path
    assert block is not None and block.entry is not None  # noqa: S101, PT018 - checked by the reader
    carry = list(kernel.options["feedback"]["carry"])
    given = available(run, kernel, invocation)
    names = {**given, **output, **{name: given[name] for name in carry}}
    chosen = calls.arguments(block, block.entry, names, file=file)
    arguments, attachments = calls.pack(chosen, run.services.store)
    assert isinstance(arguments, dict)  # noqa: S101 - pack keeps the outer object
    if kernel.learns:
        outcome = learning_calls.call(run, kernel, arguments, attachments, left)
    else:
        session = run.session(kernel, phase=Phase.FEEDBACK)
        outcome = session.call(
            block.name, block.entry, arguments, attachments=attachments, timeout_s=left()
        )
    found = calls.returned(outcome, block, file=file, phase=Phase.FEEDBACK)
    store, inputs = run.store(kernel), invocation.inputs
    value = calls.received(found, block, store, inputs, file=file, phase=Phase.FEEDBACK)
    if set(value) != {*carry, "done"} or not isinstance(value["done"], bool):
        raise KernelError(
            "MAML904",
            f"feedback block '{block.name}' returned {sorted(value)}",
            phase=Phase.FEEDBACK,
            where=Where(file, block.first_line),
            hint=f"return exactly {', '.join(carry)} and a boolean done",
        )
    return {name: value[name] for name in carry}, bool(value["done"])


def _post(
    run: Run, kernel: KernelSpec, invocation: Invocation, payload: Mapping[str, Any], left_s: float
) -> dict[str, Any]:
    block, file = kernel.block, run.document.path
    if "post" not in block.functions:
        return circuits.published(payload, kernel.shots, block.language)
    name, values = circuits.result_kind(payload)
    result = values if payload["measurements"]["list"] else values[0]
    spent = circuits.spent(payload)
    known = {"error": spent["error"]} if "error" in spent else {}
    if "evolution" in payload:
        known["evolution"] = payload["evolution"]
    names = {**known, **available(run, kernel, invocation), name: result}
    if isinstance(kernel.shots, Budget):
        names["shots"] = spent["shots"]
    chosen = calls.arguments(block, "post", names, file=file)
    arguments, attachments = calls.pack(chosen, run.services.store)
    assert isinstance(arguments, dict)  # noqa: S101 - pack keeps the outer object
    session = run.session(kernel, phase=Phase.FEEDBACK)
    outcome = session.call(block.name, "post", arguments, attachments=attachments, timeout_s=left_s)
    found = calls.returned(outcome, block, file=file, phase=Phase.FEEDBACK)
    store, inputs = run.store(kernel), invocation.inputs
    return calls.received(found, block, store, inputs, file=file, phase=Phase.FEEDBACK)


def _drawing(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    name, values = circuits.result_kind(last)
    drawing = {"circuit": first["circuit"], "of": len(values)}
    if "evolution" in first:
        drawing["evolution"] = first["evolution"]
    if name in ("counts", "probabilities"):
        drawing[name] = values[0]
    return drawing


def _cuda(payload: Mapping[str, Any]) -> int | None:
    cuda: int | None = payload["measurements"].get("cuda_ns")
    return cuda


def _time_up(run: Run, kernel: KernelSpec) -> KernelError:
    return KernelError(
        "MAML902",
        f"timeout of {kernel.timeout_s:g} s",
        phase=Phase.FEEDBACK,
        where=Where(run.document.path, kernel.line, kernel.column),
        hint="raise the kernel's timeout or lower feedback.max_iterations",
    )
