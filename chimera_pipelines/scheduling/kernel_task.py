"""What a run hands a head to do of one kernel, as JSON, and in which records the phases answer.

The records live with the run: whichever head gets the kernel next goes on from the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.records import (
    Deserialized,
    Embedded,
    Measured,
    Outcome,
    PhaseRecord,
    Propagated,
)
from chimera_pipelines.phase import Phase

PERFORMER = "kernel"
"""Name of the performer that takes tasks."""

PERFORMERS: Mapping[str, str] = {
    PERFORMER: "chimera_pipelines.scheduling.kernel_work:KernelPerformer",
}

Record = PhaseRecord | Outcome

_RECORDS: Mapping[str, type[PhaseRecord]] = {
    kind.__name__: kind for kind in (Deserialized, Embedded, Propagated, Measured)
}


@dataclass(frozen=True, slots=True)
class RunTask:
    """The run that a kernel belongs to, as its head opens it.

    Attributes:
        plan: digest; `plans` is the folder that has the plan.
        document: where the document lies, absolute.
        tier: sandbox tier of the run.
        inputs: of the run, defaults applied.
        left_s: seconds that the whole run may still take; None: as long as it likes.
    """

    plan: str
    plans: str
    document: str
    id: str
    partition: str | None
    inputs: Mapping[str, JSONValue]
    force: bool
    tier: str
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class KernelTask:
    """The remaining phases of a kernel.

    Attributes:
        phase: the first to run; None: run nothing, get ready for the kernel.
        record: what the phase before it left; None before the first.
        upstream: outputs of the kernels it reads, needed by the first phase.
        again: another process has begun this attempt: what it signed is taken over.
        log_level: least level of log messages that the run wants to see.
    """

    schema: ClassVar[str] = "chimera.kernel_task/1"
    run: RunTask
    kernel: str
    attempt: int = 1
    phase: Phase | None = Phase.DESERIALIZE
    record: Mapping[str, Any] | None = None
    upstream: Mapping[str, JSONValue] = field(default_factory=dict)
    again: bool = False
    log_level: int = 30

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` reads it back."""
        names = ("kernel", "attempt", "phase", "record", "upstream", "again", "log_level")
        values = {name: getattr(self, name) for name in names}
        return {"schema": self.schema, "run": asdict(self.run), **values}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `to_json` back.

        Raises:
            ValueError: it is no task of this version.
        """
        if value.get("schema") != cls.schema:
            raise ValueError(f"not a {cls.schema}: {value.get('schema')!r}")
        fields = {name: item for name, item in value.items() if name not in ("schema", "run")}
        phase = fields["phase"]
        fields["phase"] = None if phase is None else Phase(phase)
        return cls(RunTask(**value["run"]), **fields)


def read_record(value: Mapping[str, Any]) -> Record:
    """A phase's record from its JSON.

    Raises:
        ValueError: it is none of this version.
    """
    if value.get("schema") == Outcome.schema:
        return Outcome.from_json(value)
    kind = _RECORDS.get(str(value.get("record")))
    if kind is None:
        raise ValueError(f"not the record of a phase: {value.get('record')!r}")
    return kind.from_json(value)
