"""What a run hands a head to do of one kernel, as JSON, and in which records the phases answer.

The records live with the run: whichever head gets the kernel next goes on from the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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
        waited_s: seconds that the kernel was ready and had no head.
        soon: kernels that this head should get ready for meanwhile.
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
    waited_s: float | None = None
    soon: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` reads it back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"schema": self.schema, **values, "run": asdict(self.run), "soon": list(self.soon)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `to_json` back.

        Raises:
            ValueError: it is no task of this version.
        """
        if value.get("schema") != cls.schema:
            raise ValueError(f"not a {cls.schema}: {value.get('schema')!r}")
        given = {name: item for name, item in value.items() if name != "schema"}
        phase = None if value["phase"] is None else Phase(value["phase"])
        run, soon = RunTask(**value["run"]), tuple(value["soon"])
        return cls(**{**given, "run": run, "phase": phase, "soon": soon})


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
