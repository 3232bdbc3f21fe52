"""One tree of errors under `ChimeraError`, and the exit code of each branch (CLI.md).

Children are named by what the caller can do about them. Every error carries a code that
`docs/errors.md` explains, a place where there is one, and one hint that can be acted on. Messages
are lower case, without a final period, with the offending values quoted (STYLE.md C3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of every verb (CLI.md); `INTERNAL` is a fault of this package (CHIM299)."""

    OK = 0
    KERNEL_FAILED = 1
    USAGE = 2
    DOCUMENT_INVALID = 3
    GRAPH_INVALID = 4
    REFUSED = 5
    NO_HEAD = 6
    NO_SANDBOX = 7
    HISTORY_INVALID = 8
    BEYOND_REPAIR = 9
    INTERNAL = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file: line and column are 1-based, columns count Unicode code points."""

    file: str | None
    line: int = 1
    column: int = 1

    def as_json(self) -> dict[str, object]:
        """The `where` object of CLI.md."""
        return {"file": self.file, "line": self.line, "column": self.column}

    def __str__(self) -> str:
        return f"{self.file or '<text>'}:{self.line}:{self.column}"


class ChimeraError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(
        self, code: str, message: str, *, where: Where | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"  [{self.hint}]" if self.hint else ""
        return f"{place}{self.code} {self.message}{hint}"

    def as_json(self) -> dict[str, object]:
        """The `error` object of CLI.md: `{code, message, where, hint}`."""
        where = self.where.as_json() if self.where else None
        return {"code": self.code, "message": self.message, "where": where, "hint": self.hint}


class UsageError(ChimeraError):
    """Wrong arguments, an unreadable file, run inputs that the document's schema refuses."""


class SettingsError(UsageError):
    """A `CHIMERA_*` variable has a value that cannot be used."""


class DocumentError(ChimeraError):
    """The document has errors; `diagnostics` of the reader says which."""

    exit_code = ExitCode.DOCUMENT_INVALID


class GraphError(DocumentError):
    """The document's only errors are graph errors (4xx)."""

    exit_code = ExitCode.GRAPH_INVALID


class RefusedError(ChimeraError):
    """A permission, a grant or a verification refuses the run."""

    exit_code = ExitCode.REFUSED


class HeadUnavailableError(ChimeraError):
    """No head of the kind, device or size that a kernel needs exists here (MAML905)."""

    exit_code = ExitCode.NO_HEAD


class SandboxUnavailableError(ChimeraError):
    """No sandbox tier that is allowed here works (MAML906)."""

    exit_code = ExitCode.NO_SANDBOX


class HistoryError(ChimeraError):
    """The document's History does not verify, so nothing may be appended."""

    exit_code = ExitCode.HISTORY_INVALID


class CheckpointError(ChimeraError):
    """A checkpoint cannot be rebuilt from the shares that are left."""

    exit_code = ExitCode.BEYOND_REPAIR


class ShareStoreError(CheckpointError):
    """A head's share store cannot take what is to be saved: it is full, read-only or away."""

    exit_code = ExitCode.USAGE


class KernelError(ChimeraError):
    """A kernel failed in one of its five phases; it leaves a ticket with status=failed.

    Attributes:
        phase: value of the `Phase` in which it failed.
        retryable: true for MAML902 and MAML903 only (MAML.md §3: the rest fails again).
    """

    exit_code = ExitCode.KERNEL_FAILED

    def __init__(
        self,
        code: str,
        message: str,
        *,
        phase: str = "deserialize",
        where: Where | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(code, message, where=where, hint=hint)
        self.phase = phase

    @property
    def retryable(self) -> bool:
        """Whether another attempt with the same inputs and seed can end otherwise."""
        return self.code in {"MAML902", "MAML903"}

    def record(self) -> dict[str, object]:
        """What a failed ticket's `out` is the digest of (MAML.md §8)."""
        return {"error": {"code": self.code, "message": self.message, "phase": self.phase}}
