"""What is said of checkpoints and their shares (CLI.md, `chimera.checkpoints/1`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from chimera_pipelines.ring.code import NEEDED
from chimera_pipelines.ring.gathering import Found, Gathering
from chimera_pipelines.ring.seal import Cipher
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.ring.shares import StateMark


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
    """One checkpoint and its shares; names are empty and `bytes` 0 where no header can be read.

    Attributes:
        encryption: cipher of its shares.
        state: of a head's state `{run, partition, name, head, generation}`; None of a checkpoint.
    """

    id: str
    document: str
    kernel: str
    bytes: int
    shares: tuple[ShareReport, ...]
    encryption: Cipher = Cipher.NONE
    state: StateMark | None = None

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
            "encryption": str(self.encryption),
            "ok": self.ok,
            "shares": [share.as_json() for share in self.shares],
            **({} if self.state is None else {"state": asdict(self.state)}),
        }


def report_of(name: str, shares: Gathering) -> CheckpointReport:
    """What a gathering found of the artefact with that content id."""
    told = tuple(
        ShareReport(store.name, index, *_status(shares.found.get(index)))
        for index, store in enumerate(shares.stores)
    )
    manifest = shares.manifest
    if manifest is None:
        return CheckpointReport(name, "", "", 0, told)
    return CheckpointReport(
        name,
        manifest.document,
        manifest.kernel,
        manifest.length,
        told,
        manifest.cipher,
        manifest.state,
    )


def _status(found: Found) -> tuple[ShareStatus, str | None]:
    if found is None:
        return ShareStatus.MISSING, None
    if isinstance(found, ShareError):
        return ShareStatus.CORRUPT, str(found)
    return ShareStatus.OK, None
