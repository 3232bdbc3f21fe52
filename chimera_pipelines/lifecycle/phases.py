"""The five phases: each a function of a run and a record, and nothing of Dagster.

    (run, kernel, upstream) → deserialize → embed → propagate → measure → feedback → Outcome

A phase that fails leaves a ticket with status=failed and raises; the records before it stay as they
are, so that the phase can be tried again. A kernel that is reused passes through all five and is
signed as such in the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from chimera_pipelines import telemetry
from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import ChimeraError, KernelError, SandboxUnavailableError, Where
from chimera_pipelines.heads.device_faults import device_lost
from chimera_pipelines.heads.performer import DeviceLostError
from chimera_pipelines.lifecycle import (
    attempts,
    calls,
    circuits,
    functions,
    inputs,
    loop,
    publish,
    queries,
)
from chimera_pipelines.lifecycle.records import (
    Deserialized,
    Embedded,
    Invocation,
    Measured,
    Outcome,
    PhaseRecord,
    Propagated,
)
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import Phase
from chimera_pipelines.settings import storage_error

_R = TypeVar("_R")


@dataclass(slots=True)
class _Clock:
    """Wall clock of one phase: `left()` is what attempt and run may still take, in seconds.

    Nothing is left once the run is stopped, so that loops end between two passes.
    """

    run: Run
    kernel: KernelSpec
    spent_s: float
    started: float

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def left(self) -> float:
        if self.run.stopped is not None:
            return 0.0
        attempt = self.kernel.timeout_s - self.spent_s - self.elapsed()
        return max(0.0, min(attempt, self.run.left_s()))


def deserialize(
    run: Run, kernel: KernelSpec, upstream: Mapping[str, JSONValue], *, attempt: int = 1
) -> Deserialized:
    """Phase 1: resolve and validate inputs, compute `in`, look for a reusable output, load code.

    Args:
        run: the run, already begun.
        kernel: the kernel.
        upstream: outputs of the kernels it reads, by name.
        attempt: 1 for the first.

    Raises:
        KernelError: MAML505 inputs, MAML901–903 of the block's top-level code.
        RefusedError: MAML704.
    """
    head, seed = run.head_of(kernel), run.seed(kernel)
    started = attempts.begun(run, kernel, attempt, head)
    with _phase(run, kernel, started, Phase.DESERIALIZE) as clock:
        resolved = inputs.resolve(run.document, kernel, publish.sources(run, upstream))
        found = inputs.input_digest(kernel, resolved.hashed, seed=seed, partition=run.partition)
        started = _with_inputs(started, resolved.given, found)
        inputs.check_inputs(run.document, kernel, resolved.given)
        reusable = run.reusable(found, head.describe().kind)
        if reusable is None and kernel.block.language in ("python", "qiskit"):
            run.session(kernel, phase=Phase.DESERIALIZE)
        started = _with_reuse(started, reusable)
        return Deserialized(started.after(Phase.DESERIALIZE, clock.elapsed()), {})


def embed(run: Run, before: Deserialized) -> Embedded:
    """Phase 2: inputs to device arrays, features to state preparation in front of the circuit."""
    kernel, invocation = _taken(run, before)
    with _phase(run, kernel, invocation, Phase.EMBED) as clock:
        payload: Mapping[str, JSONValue] = {}
        if invocation.reused is None:
            language = _LANGUAGES[kernel.block.language]
            payload = language.embed(run, kernel, invocation, clock.left())
        return Embedded(invocation.after(Phase.EMBED, clock.elapsed()), payload)


def propagate(run: Run, before: Embedded) -> Propagated:
    """Phase 3: the function runs, the state evolves, the query executes."""
    kernel, invocation = _taken(run, before)
    with _phase(run, kernel, invocation, Phase.PROPAGATE) as clock:
        payload: Mapping[str, JSONValue] = {}
        if invocation.reused is None:
            language = _LANGUAGES[kernel.block.language]
            payload = language.propagate(run, kernel, invocation, before.payload, clock.left())
        return Propagated(invocation.after(Phase.PROPAGATE, clock.elapsed()), payload)


def measure(run: Run, before: Propagated) -> Measured:
    """Phase 4: shots to counts, basis changes to expectation values, arrays to JSON or blobs."""
    kernel, invocation = _taken(run, before)
    with _phase(run, kernel, invocation, Phase.MEASURE) as clock:
        payload: Mapping[str, JSONValue] = {}
        if invocation.reused is None:
            language = _LANGUAGES[kernel.block.language]
            payload = language.measure(run, kernel, invocation, before.payload)
            _check_time(kernel, run, Phase.MEASURE, clock)
        return Measured(invocation.after(Phase.MEASURE, clock.elapsed()), payload)


def feedback(run: Run, before: Measured) -> Outcome:
    """Phase 5: `post`, the loop back to phase 2, the output's check, checkpoint and ticket."""
    kernel, invocation = _taken(run, before)
    with _phase(run, kernel, invocation, Phase.FEEDBACK) as clock:
        signed = run.standing(kernel, invocation)
        if signed is not None:
            outcome = publish.adopt(run, kernel, invocation, signed)
        elif invocation.reused is not None:
            outcome = publish.reuse(run, kernel, invocation, clock.elapsed)
        else:
            result = loop.finish(run, kernel, invocation, before.payload, clock.left)
            outcome = publish.publish(run, kernel, invocation, result, clock.elapsed)
    run.release(kernel.name)
    return outcome


def _taken(run: Run, before: PhaseRecord) -> tuple[KernelSpec, Invocation]:
    """The kernel of a record, and its invocation as the head that goes on with it signs it."""
    kernel = run.kernels[before.invocation.kernel]
    return kernel, run.stamped(kernel, before.invocation)


def run_kernel(
    run: Run,
    kernel: KernelSpec,
    upstream: Mapping[str, JSONValue],
    *,
    attempt: int = 1,
    watch: Callable[[str, Phase, float | None], None] = lambda *_: None,
) -> Outcome:
    """All five phases in a row, as `chimera run` does it.

    Args:
        run, kernel, upstream, attempt: as `deserialize`.
        watch: called with kernel and phase, seconds None when it begins, its seconds when it ends.
    """

    def timed(phase: Phase, step: Callable[[], _R]) -> _R:
        watch(kernel.name, phase, None)
        begun = time.monotonic()
        record = step()
        watch(kernel.name, phase, time.monotonic() - begun)
        return record

    first = timed(Phase.DESERIALIZE, lambda: deserialize(run, kernel, upstream, attempt=attempt))
    second = timed(Phase.EMBED, lambda: embed(run, first))
    third = timed(Phase.PROPAGATE, lambda: propagate(run, second))
    fourth = timed(Phase.MEASURE, lambda: measure(run, third))
    return timed(Phase.FEEDBACK, lambda: feedback(run, fourth))


_LANGUAGES = {
    "python": functions.FUNCTIONS,
    "qiskit": circuits.CIRCUITS,
    "qasm": circuits.CIRCUITS,
    "sql": queries.QUERIES,
}


@contextmanager
def _phase(run: Run, kernel: KernelSpec, invocation: Invocation, phase: Phase) -> Iterator[_Clock]:
    clock = _Clock(run, kernel, invocation.spent_s, time.monotonic())
    with telemetry.span(telemetry.PHASE_SPAN, kernel=kernel.name, phase=phase, run=run.run_id):
        try:
            _check_time(kernel, run, phase, clock)
            yield clock
        except DeviceLostError:
            raise  # the kernel did nothing wrong: it goes on where its head comes back
        except calls.OutOfTimeError as error:
            whole = _out_of_time(kernel, run, phase, error.where)
            raise _failed(clock, invocation, phase, whole) from None
        except ChimeraError as error:
            raise _failed(clock, invocation, phase, error) from error.__cause__
        except Exception as error:
            lost = device_lost(error)
            if lost is not None:
                raise lost from error
            root = run.services.settings.root
            stored = storage_error(error, root) if isinstance(error, OSError) else None
            if stored is not None:
                raise _failed(clock, invocation, phase, stored) from error
            # A fault of ours must still leave a failed ticket and let other kernels go on.
            inner = KernelError("CHIM900", f"internal error: {type(error).__name__}: {error}")
            raise _failed(clock, invocation, phase, inner) from error


def _failed(
    clock: _Clock, invocation: Invocation, phase: Phase, error: ChimeraError
) -> ChimeraError:
    run, kernel = clock.run, clock.kernel
    where = error.where or Where(run.document.path, kernel.line, kernel.column)
    if run.stopped is not None and _comes_of_stopping(error):
        error = KernelError("MAML903", f"stopped: {run.stopped}", hint=_STOPPED_HINT)
    record = KernelError(error.code, error.message, phase=phase, where=where, hint=error.hint)
    run.fail(invocation, record, clock.elapsed())
    if isinstance(error, KernelError):
        return record
    error.where = where
    return error


_STOPPED_HINT = "run it again; kernels that have ended well are reused"


def _comes_of_stopping(error: ChimeraError) -> bool:
    """Whether it can be the end of an aborted session or of a clock with nothing left."""
    return isinstance(error, SandboxUnavailableError) or error.code in ("MAML902", "MAML903")


def _check_time(kernel: KernelSpec, run: Run, phase: Phase, clock: _Clock) -> None:
    if clock.left() <= 0.0:
        raise _out_of_time(kernel, run, phase)


def _out_of_time(
    kernel: KernelSpec, run: Run, phase: Phase, where: Where | None = None
) -> KernelError:
    """The error that names the limit, of the kernel or of the whole run, and not what was left."""
    whole = run.left_s() <= 0.0
    limit = f"timeout_seconds of {run.document.timeout_s:g} s" if whole else None
    return KernelError(
        "MAML902",
        limit or f"timeout of {kernel.timeout_s:g} s",
        phase=phase,
        where=where or Where(run.document.path, kernel.line, kernel.column),
        hint="raise it in the front matter" if whole else "raise the kernel's timeout",
    )


def _with_inputs(
    invocation: Invocation, given: Mapping[str, JSONValue], input_digest: str
) -> Invocation:
    return replace(invocation, inputs=dict(given), input_digest=input_digest)


def _with_reuse(invocation: Invocation, reusable: tuple[str, str] | None) -> Invocation:
    if reusable is None:
        return invocation
    return replace(invocation, reused=reusable[0], reused_from=reusable[1])
