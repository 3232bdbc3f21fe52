"""What the ledger keeps beside a ticket: how long its attempt took, and the checkpoint it has.

Both are written in the ticket's own transaction: they cost no commit of their own, and an entry
that is recorded twice is counted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chimera_pipelines.phase import PHASES


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint: its content id, size in bytes, and how many shares it has."""

    content_id: str
    size: int
    shares: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of the attempt that a ticket ends.

    Attributes:
        leaf: of the ticket.
        head_kind: `quantum` or `ai`.
        status: of the ticket.
        seconds: wall clock of each phase that was run; of the last one, up to the signature.
        failed_phase: the phase that ended the attempt, for a failed one.
        waited: seconds between being ready and starting on a head; None where nobody waits.
        checkpoint: the checkpoint that was stored before the ticket was signed.
        work: the same for attempts whose durations compare, for the head's reputation.
        code: of the error, for a failed one.
    """

    leaf: str
    head_kind: str
    status: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    failed_phase: str | None = None
    waited: float | None = None
    checkpoint: Stored | None = None
    work: str | None = None
    code: str | None = None

    def values(self) -> dict[str, Any]:
        """The row of `phase_seconds`."""
        return {
            "leaf": self.leaf,
            "head_kind": self.head_kind,
            "status": self.status,
            "failed_phase": self.failed_phase,
            **{str(phase): self.seconds.get(phase) for phase in PHASES},
            "waited": self.waited,
        }
