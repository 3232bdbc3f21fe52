"""Keeps one head alive: forks it, hears its beats, fences it when it hangs, forks the next one.

An old incarnation is killed and reaped before the next is forked, so that never two run. A head
that dies or hangs before it was ready, or is not ready in time, is tried again, each time a
little later; after `MOST_FAILURES` in a row it stays down until someone asks for it.
"""

from __future__ import annotations

import logging
import selectors
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from chimera_pipelines.heads.delivery import HeadProcess, deliver
from chimera_pipelines.heads.office import HeadKeeper, Office
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.state import KINDS, HeadEntry

MOST_FAILURES = 5
_FIRST_PAUSE_S = 0.05
_log = logging.getLogger(__name__)


class Keeper:
    """One head.

    Attributes:
        entry: as the agent publishes it.
        said: its last beat.
    """

    def __init__(self, head: str, office: Office) -> None:
        self.head = head
        number = office.directory.incarnations().get(head, 0)
        self.entry = HeadEntry(KINDS[head], office.device, incarnation=number)
        if office.inherits is not None and number:
            gone = Predecessor(number, "its machine is gone", None, office.inherits, 0.0)
            self.entry = replace(self.entry, before=gone)
        self.said: dict[str, Any] = {}
        self._office = office
        self._process: HeadProcess | None = None
        self._failures = 0
        self._again: float | None = None
        self._stopping = False
        self._recompute = False

    @property
    def gone(self) -> bool:
        """Whether it has no process."""
        return self._process is None

    def start(self) -> None:
        """Fork it unless it is there, or about to be tried again."""
        if self._process is not None or self._again is not None or self._stopping:
            return
        self._failures = 0
        self._fork()

    def fence(
        self, reason: str, *, signal_number: int | None = None, recompute: bool = False
    ) -> None:
        """End this incarnation; the next is forked when it is reaped.

        `recompute` has the next one run kernels of its last tickets again.
        """
        process = self._process
        self._recompute = self._recompute or recompute
        if process is None:
            self.start()
        elif process.fenced is None:
            now = time.monotonic()
            silent = now - process.pulse.beaten
            process.fenced = (reason, signal_number, silent, now)
            _log.warning("%s.%d: %s; fencing it", self.head, self.entry.incarnation, reason)
            self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, for good."""
        self._stopping = True
        self._again = None
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it, for good."""
        self._stopping = True
        self._signal(signal.SIGKILL)

    def tick(self, now: float) -> None:
        """Look after it; called several times a second."""
        process = self._process
        if process is None:
            if self._again is not None and now >= self._again:
                self._again = None
                self._fork()
            return
        self._hear(0)
        if process.fenced is None and not self._stopping:
            self._judge(process, now)

    def _judge(self, process: HeadProcess, now: float) -> None:
        """Fence it when it will not answer any more, or takes too long to begin with."""
        finding = process.pulse.judge(now, partial(look, process.child.pid))
        if finding is not None:
            process.failed = not (process.ready or finding.stopped)
            stopped = int(signal.SIGSTOP) if finding.stopped else None
            self.fence(finding.reason, signal_number=stopped)
        elif not process.ready and now - process.forked > process.start_s:
            process.failed = True
            self.fence(f"not ready after {process.start_s:.0f} s")

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process.child.pidfd, number)

    def _fork(self) -> None:
        try:
            number = self._office.directory.next_incarnation(self.head)
            process = deliver(self.head, self.entry.kind, number, self._predecessor(), self._office)
        except OSError as error:  # no space, no memory, no descriptor: for now
            _log.error("%s cannot be forked: %s", self.head, error)
            self._try_again(f"it cannot be forked: {error}")
            return
        self._process = process
        self._recompute = False
        office, child = self._office, process.child
        office.selector.register(process.beats, selectors.EVENT_READ, self._hear)
        office.selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self.said = {}
        self.entry = replace(
            self.entry,
            address=process.address,
            pid=child.pid,
            created=child.created,
            incarnation=number,
            state="starting" if self.entry.before is None else "regenerating",
            started=time.time(),
            start_s=None,
            problem=None,
        )
        office.changed()

    def _predecessor(self) -> Predecessor | None:
        """What the next process is told of the one before it."""
        before = self.entry.before
        if not self._recompute:
            return before
        if before is None:
            before = Predecessor(self.entry.incarnation, "restart", None, 0.0, 0.0)
        return replace(before, recompute=True)

    def _hear(self, _: int) -> None:
        """Read the beats that have come."""
        process = self._process
        if process is None:
            return
        said = process.hear()
        if said is None:
            return
        self.said = said
        if "busy" in self.said and not process.ready:
            process.ready = True
            self._failures = 0
            start_s = round(time.monotonic() - process.forked, 6)
            self.entry = replace(self.entry, state="idle", start_s=start_s)
            self._office.changed()

    def _ended(self, _: int) -> None:
        """The kernel says that the process has ended."""
        process = self._process
        status = None if process is None else process.child.reap()
        if process is None or status is None:
            return
        self._hear(0)  # it may have been ready, and died at its first work
        self._office.selector.unregister(process.child.pidfd)
        self._office.selector.unregister(process.beats)
        process.beats.close()
        self._process = None
        refused = self.said.get("problem")
        self._bury(process, status)
        if refused is not None:
            self.entry = replace(self.entry, problem=str(refused["message"]))
        elif not self._stopping:
            self._next(process)
        self._office.changed()

    def _bury(self, process: HeadProcess, status: int) -> None:
        """Note how an incarnation ended, and take its socket away."""
        now = time.monotonic()
        reason, number, detect_s, since = process.fenced or (
            *process.how_it_ended(status),
            now - process.pulse.beaten,
            now,
        )
        reason = self.said.get("dying", reason)
        _log.info("%s.%d ended: %s", self.head, self.entry.incarnation, reason)
        socket_file = self._office.directory.path / f"{self.head}.{self.entry.incarnation}.sock"
        socket_file.unlink(missing_ok=True)
        before = Predecessor(
            self.entry.incarnation, reason, number, round(detect_s, 6), round(now - since, 6), now
        )
        self.said = {}
        self.entry = replace(
            self.entry, address=None, pid=None, created=None, state="down", before=before
        )

    def _next(self, process: HeadProcess) -> None:
        if process.ready or (process.fenced is not None and not process.failed):
            self._fork()
            return
        before = self.entry.before
        what = "it is ended at its start" if process.failed else "it died at its start"
        self._try_again(what + (f": {before.reason}" if before else ""))

    def _try_again(self, what: str) -> None:
        """Fork it again in a while, or leave it down when that never helped."""
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            problem = f"{what} ({self._failures} times in a row)"
            _log.error("%s stays down (CHIM716): %s", self.head, problem)
            self.entry = replace(self.entry, state="down", problem=problem)
        else:
            self._again = time.monotonic() + _FIRST_PAUSE_S * 2**self._failures
            self.entry = replace(self.entry, state="regenerating")
        self._office.changed()


def local_keepers(office: Office) -> dict[str, HeadKeeper]:
    """Keepers of all heads as processes of this agent."""
    return {head: Keeper(head, office) for head in KINDS}
