"""One record a boundary: Deserialized → Embedded → Propagated → Measured → Outcome.

Each is plain JSON (`to_json`, `from_json`): what does not fit JSON (registers, arrays) lies in the
content store and is named by its content id, so that any phase can be retried alone, in another
process, from what the phase before left. `digest` covers what a phase computed, never how long it
took or where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias

from chimera_pipelines.digest import JSONValue, digest

Status: TypeAlias = Literal["ok", "failed", "reused", "skipped"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What all phases of one kernel invocation share.

    Attributes:
        inputs: resolved inputs as the block gets them (datasets read, blobs by content id).
        input_digest: `in` of MAML.md §8.
        seed: of the first pass; pass n of a feedback loop uses seed + n − 1.
        reused: content id of the earlier output that stands in, or None.
        reused_from: run id and sequence number of the ticket that vouches for it.
        iteration: pass of a feedback loop, 1 for the first.
        seconds: wall clock of each phase that has ended.
        sealing: `{cipher, document, kem}` where records of it are to be sealed on a disk.
    """

    kernel: str
    attempt: int
    head: str
    device: str
    incarnation: int
    tier: str
    inputs: Mapping[str, JSONValue]
    input_digest: str
    seed: int
    partition: str | None
    reused: str | None = None
    reused_from: str | None = None
    iteration: int = 1
    seconds: Mapping[str, float] = field(default_factory=dict)
    sealing: Mapping[str, Any] | None = None

    @property
    def spent_s(self) -> float:
        """Seconds of the attempt so far, waiting between phases not counted."""
        return sum(self.seconds.values())

    def after(self, phase: str, seconds: float) -> Invocation:
        """The same invocation with one more phase timed."""
        return replace(
            self, seconds={**self.seconds, phase: self.seconds.get(phase, 0.0) + seconds}
        )


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """Common form: an invocation and what the phase computed."""

    schema: ClassVar[str] = "chimera.phase/1"
    invocation: Invocation
    payload: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over kernel, `in` and payload."""
        what = {"kernel": self.invocation.kernel, "in": self.invocation.input_digest}
        return digest({**what, "phase": type(self).__name__, "payload": dict(self.payload)})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` reads it back."""
        invocation = {f.name: getattr(self.invocation, f.name) for f in fields(Invocation)}
        return {
            "schema": self.schema,
            "record": type(self).__name__,
            "invocation": {**invocation, "seconds": dict(self.invocation.seconds)},
            "payload": dict(self.payload),
        }

    def in_attempt(self, attempt: int) -> Self:
        """The record as that attempt finds it: a new one has spent no time yet."""
        if attempt == self.invocation.attempt:
            return self
        return replace(self, invocation=replace(self.invocation, attempt=attempt, seconds={}))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read `to_json` back; another record's JSON is refused."""
        if value.get("schema") != cls.schema or value.get("record") != cls.__name__:
            found = f"{value.get('schema')!r} {value.get('record')!r}"
            raise ValueError(f"not a {cls.schema} {cls.__name__}: {found}")
        return cls(Invocation(**value["invocation"]), value["payload"])


@dataclass(frozen=True, slots=True)
class Deserialized(PhaseRecord):
    """Phase 1: inputs resolved and valid, `in` known, head chosen. Payload: empty."""


@dataclass(frozen=True, slots=True)
class Embedded(PhaseRecord):
    """Phase 2. Payload: `arguments`, or `circuits`, `list`, `embedding`, `observables`."""


@dataclass(frozen=True, slots=True)
class Propagated(PhaseRecord):
    """Phase 3. Payload: `value` with `blobs`, or `register` (content id) and `observables`."""


@dataclass(frozen=True, slots=True)
class Measured(PhaseRecord):
    """Phase 4. Payload: `output`, or `measurements`; and `circuit` and `counts` to be drawn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Phase 5: the end of one invocation, published and signed.

    Attributes:
        output: the published object; None when the kernel failed.
        output_digest: `out` of MAML.md §8.
        series: numbers of each feedback pass by name, for plots over iterations.
        passes: where and when each feedback pass ran: `{pass, head, incarnation, seconds}`, and
            `feedback_head` and `feedback_incarnation` where an AI head ran its feedback block.
        ticket: `{seq, key, timestamp, root, signature_digest}`.
        checkpoint: `{id, bytes, shares, heads}`.
        drawing: `{circuit, evolution, counts, probabilities}` as far as there are such, and how
            many circuits there were: `of`. What is drawn is of the first.
    """

    schema: ClassVar[str] = "chimera.outcome/1"
    kernel: str
    status: Status
    attempts: int
    head: str
    device: str
    incarnation: int
    tier: str
    input_digest: str
    output_digest: str
    output: JSONValue
    cuda_ns: int | None
    seconds: Mapping[str, float]
    series: Mapping[str, list[float]]
    ticket: Mapping[str, Any]
    checkpoint: Mapping[str, Any] | None
    drawing: Mapping[str, Any]
    reused_from: str | None = None
    passes: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def feedback_heads(self) -> tuple[str, ...]:
        """Ids of the heads that ran a feedback block that learns, in the order of their passes."""
        found = (one.get("feedback_head") for one in self.passes)
        return tuple(dict.fromkeys(str(head) for head in found if head is not None))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` reads it back."""
        return {"schema": self.schema, **{f.name: getattr(self, f.name) for f in fields(self)}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """Read `to_json` back."""
        if value.get("schema") != cls.schema:
            raise ValueError(f"not a {cls.schema}: {value.get('schema')!r}")
        return cls(**{key: item for key, item in value.items() if key != "schema"})
