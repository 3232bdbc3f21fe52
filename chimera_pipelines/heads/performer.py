"""What a head process does for others: performers, the work they get, and where they are.

A door names performers on the agent's command line as `name=module:Class`, so that heads know
nothing of what is above them. A head makes a performer at its first work and keeps it, with all
that it holds open, for the works that follow.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.protocol import HeadKind

Emit: TypeAlias = Callable[[Mapping[str, Any]], None]
Orphan: TypeAlias = Literal["finish", "cancel"]

INCARNATIONS = "incarnations.json"
"""File of a heads directory: the newest incarnation of each head; older ones are fenced."""
KEPT_RUNS = 4
"""Runs that share a head take turns: performers keep what they have open for the last few."""


class DeviceLostError(HeadUnavailableError):
    """CHIM715: the device takes no more work in this process; the head ends and is regenerated.

    Attributes:
        exit_status: with which the process ends, for `ENDINGS`.
    """

    exit_status: ClassVar[int] = 75
    _code: ClassVar[str] = "CHIM715"

    def __init__(self, message: str) -> None:
        super().__init__(
            self._code, message, hint="the head is regenerated; see 'chimera heads status'"
        )


class WrongSignatureError(DeviceLostError):
    """CHIM742: a ticket that this process signed does not verify, and was not written down."""

    exit_status: ClassVar[int] = 77
    _code: ClassVar[str] = "CHIM742"


ENDINGS: Mapping[int, str] = {
    DeviceLostError.exit_status: "its device was lost",
    WrongSignatureError.exit_status: "fault: it signed a ticket that does not verify",
}
"""Why a process ended that ended itself, by its exit status."""


@dataclass(slots=True)
class Work:
    """What a client gave the head to do.

    Attributes:
        id: chosen by the client, unique among its works.
        performer: name of who does it.
        payload: what the performer understands.
        run: id of the run it belongs to, or "": `cancel` and `adopt` go by it.
        orphan: what becomes of it when its client hangs up: "finish" (a resumed run adopts it) or
            "cancel".
        buffers: raw bytes that came with it.
        current: key of the step between its `start` and its `end` frame.
        ended: `end` frames so far, for a client that adopts it.
        cancelled: `cancel` was called, or will be before long; performers look between steps.
        reason: why it was cancelled, as its client says.
    """

    id: str
    performer: str
    payload: Mapping[str, Any]
    run: str = ""
    orphan: Orphan = "finish"
    buffers: Sequence[memoryview] = ()
    current: str | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)
    cancelled: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The incarnation before this one, as the agent saw it end.

    Attributes:
        incarnation: its number.
        reason: "killed by SIGKILL", "stopped (SIGSTOP)", "fault: …", …
        signal: that ended it, before any signal of the agent's.
        detect_s: seconds from the first sign to the finding.
        fence_s: seconds until it was killed and reaped.
        fenced_at: when that was, on the monotonic clock of this machine; None: not known.
        recompute: whoever had it restarted wants kernels of its tickets to run again.
    """

    incarnation: int
    reason: str
    signal: int | None
    detect_s: float
    fence_s: float
    fenced_at: float | None = None
    recompute: bool = False


@dataclass(frozen=True, slots=True)
class HeadContext:
    """Where a performer is.

    Attributes:
        id: HEAD_1 … HEAD_4.
        agent: id of the agent; (agent, id, incarnation) names one process for ever.
        directory: the agent's folder.
        head: engine and register bank of this process.
        before: the incarnation that this one replaces, or None.
    """

    id: str
    kind: HeadKind
    device: Literal["cpu", "gpu"]
    incarnation: int
    agent: str
    directory: Path
    head: LocalHead
    before: Predecessor | None = None

    def fenced(self) -> bool:
        """Whether a newer incarnation of this head exists; then this one may change nothing.

        Ask under the lock of what is to be changed: before a ticket, before a checkpoint commits.
        """
        try:
            newest = json.loads((self.directory / INCARNATIONS).read_bytes())[self.id]
        except (OSError, ValueError, LookupError, TypeError):
            return True  # the agent's folder is gone, and so is the agent
        return bool(newest != self.incarnation)

    @staticmethod
    def interrupt() -> None:
        """Raise KeyboardInterrupt in the main thread if it performs work; from any thread."""
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGINT)


class Performer(Protocol):
    """Does one kind of work in a head process. One object a head, made at its first work."""

    def __init__(self, here: HeadContext) -> None:
        """Called in the main thread, after the fork."""
        ...

    def perform(self, work: Work, emit: Emit) -> None:
        """Do the work, in the main thread.

        `emit({"is": "start", "key": "vqe.embed"})` before each step and `emit({"is": "end", "key":
        "vqe.embed", …})` after it, with whatever the client should know; bytes under the key
        "buffers" (a sequence of bytes or memoryviews) travel raw. Returns when all is done or
        `work.cancelled` was seen.

        Raises:
            DeviceLostError: the process must be replaced. Any other error ends only the work: the
                client gets it in the `rest` frame.
            KeyboardInterrupt: as it came, from `here.interrupt()`.
        """
        ...

    def cancel(self, work: Work) -> None:
        """Make `perform` of this work return soon; called from another thread, at most once.

        `work.cancelled` is set already, and `perform` may not have begun. Must not wait for
        `perform`, which may be waiting to emit. Who has nothing better calls `here.interrupt()`.
        """
        ...

    def close(self) -> None:
        """The head ends: let go of everything."""
        ...
