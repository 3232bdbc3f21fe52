"""What is said of checkpoints and their shares (CLI.md, `chimera.checkpoints/1`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chimera_pipelines.ring.code import NEEDED


class ShareStatus(StrEnum):
    """What became of a share (CLI.md)."""

    OK = "ok"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class ShareReport:
    """One share of a checkpoint; `detail` says what is wrong with it."""

    head: str
    index: int
    status: ShareStatus
    detail: str | None = None

    def as_json(self) -> dict[str, object]:
        """The share object of CLI.md; `detail` only where there is one."""
        detail = {"detail": self.detail} if self.detail else {}
        return {"head": self.head, "index": self.index, "status": str(self.status), **detail}


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """One checkpoint and its shares; names are empty and `bytes` 0 where no header can be read."""

    id: str
    document: str
    kernel: str
    bytes: int
    shares: tuple[ShareReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every share is good."""
        return all(share.status is ShareStatus.OK for share in self.shares)

    @property
    def repairable(self) -> bool:
        """Whether enough shares are good to rebuild the others."""
        return sum(share.status is ShareStatus.OK for share in self.shares) >= NEEDED

    def as_json(self) -> dict[str, object]:
        """The checkpoint object of `chimera.checkpoints/1` (CLI.md)."""
        return {
            "id": self.id,
            "document": self.document,
            "kernel": self.kernel,
            "bytes": self.bytes,
            "ok": self.ok,
            "shares": [share.as_json() for share in self.shares],
        }
