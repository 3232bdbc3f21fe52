"""How kernels and a run ended: `chimera.run/1` of CLI.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from chimera_pipelines.errors import ChimeraError, ExitCode
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import FailedAttempt
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.plan import Plan


@dataclass(frozen=True, slots=True)
class KernelReport:
    """How one kernel ended.

    Attributes:
        outcome: None unless it is ok or reused.
        failure: its last attempt, when that left a failed ticket.
        head: where it ran last, if no outcome or failure says so.
    """

    kernel: KernelSpec
    status: str
    outcome: Outcome | None = None
    error: ChimeraError | None = None
    attempts: int = 0
    failure: FailedAttempt | None = None
    head: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The kernel object of `chimera.run/1` (CLI.md)."""
        if self.outcome is None:
            return {
                **_EMPTY,
                "name": self.kernel.name,
                "status": self.status,
                "attempts": self.attempts,
                "head": (self.head or self.kernel.heads[0]) if self.attempts else None,
                "error": None if self.error is None else self.error.as_json(),
                **({} if self.failure is None else _failed(self.failure)),
            }
        found = self.outcome
        return {
            **_EMPTY,
            "name": self.kernel.name,
            "status": found.status,
            "head": found.head,
            "device": found.device,
            "incarnation": found.incarnation,
            "attempts": found.attempts,
            "sandbox": found.tier,
            "phases": _timed(found.seconds, PHASES),
            "cuda_ns": found.cuda_ns,
            "input_digest": found.input_digest,
            "output_digest": found.output_digest,
            "output": found.output,
            "ticket": dict(found.ticket),
            "checkpoint": found.checkpoint,
            **({"feedback_heads": [*found.feedback_heads]} if found.feedback_heads else {}),
        }


def _failed(failure: FailedAttempt) -> dict[str, Any]:
    """What is known of an attempt that failed; `phases` has those that had ended."""
    invocation = failure.invocation
    return {
        "head": invocation.head,
        "device": invocation.device,
        "incarnation": invocation.incarnation,
        "sandbox": invocation.tier,
        "phases": _timed(invocation.seconds, [p for p in PHASES if p in invocation.seconds]),
        "input_digest": invocation.input_digest,
        "ticket": asdict(failure.ticket),
    }


def _timed(seconds: Mapping[str, float], ended: Sequence[Phase]) -> list[dict[str, Any]]:
    return [{"phase": str(p), "seconds": round(seconds.get(p, 0.0), 6)} for p in ended]


_EMPTY: dict[str, Any] = {
    "device": None,
    "incarnation": None,
    "sandbox": None,
    "phases": [],
    "cuda_ns": None,
    "input_digest": None,
    "output_digest": None,
    "output": None,
    "ticket": None,
    "checkpoint": None,
    "error": None,
    "diagnostics": [],
}


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended.

    Attributes:
        regenerations: `{head, incarnation, reason, kernel, phase}` of each death of a head that
            interrupted a kernel of this run.
    """

    schema: ClassVar[str] = "chimera.run/1"
    plan: Plan
    run_id: str
    partition: str | None
    seconds: float
    kernels: tuple[KernelReport, ...]
    history: Mapping[str, Any]
    tier: str
    interrupted: bool = False
    regenerations: Sequence[Mapping[str, Any]] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0, what the failed kernels' errors say, or 130 of a run that the user stopped."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        errors = [report.error for report in self.kernels if report.error is not None]
        if not errors:
            return ExitCode.OK
        codes = {error.exit_code for error in errors}
        return codes.pop() if len(codes) == 1 else ExitCode.KERNEL_FAILED

    def as_json(self) -> dict[str, Any]:
        """`chimera.run/1` of CLI.md."""
        outputs = {r.kernel.name: r.outcome.output for r in self.kernels if r.outcome is not None}
        document = self.plan.document
        return {
            "schema": self.schema,
            "run_id": self.run_id,
            "status": "ok" if self.exit_code is ExitCode.OK else "failed",
            "seconds": round(self.seconds, 6),
            "partition": self.partition,
            "sandbox": self.tier,
            "document": {"path": document.path, "id": document.id, "digest": document.digest},
            "plan": self.plan.digest,
            "kernels": [report.as_json() for report in self.kernels],
            "outputs": {name: outputs[name] for name in self.plan.finals if name in outputs},
            "history": dict(self.history),
            "regenerations": [dict(one) for one in self.regenerations],
        }
