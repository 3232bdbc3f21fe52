"""Keeps one head alive: forks it, hears its beats, fences it when it hangs, forks the next one.

An old incarnation is killed and reaped before the next is forked, so that never two run. A head
that dies before it was ready is tried again, each time a little later; after `MOST_FAILURES` in a
row it stays down until someone asks for it.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chimera_pipelines.heads import offspring
from chimera_pipelines.heads.liveness import Pulse
from chimera_pipelines.heads.office import HeadKeeper, Office
from chimera_pipelines.heads.oom import killed_by, oom_kills
from chimera_pipelines.heads.performer import ENDINGS, Predecessor
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.process import Birth, serve
from chimera_pipelines.heads.state import KINDS, HeadEntry
from chimera_pipelines.heads.wire import Listener

MOST_FAILURES = 5
_FIRST_PAUSE_S = 0.05
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Process:
    """The process of the newest incarnation."""

    child: offspring.Child
    beats: socket.socket
    pulse: Pulse
    forked: float
    oom_kills: int
    ready: bool = False
    fenced: tuple[str, int | None, float, float] | None = None


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
        self._process: _Process | None = None
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
            finding = process.pulse.judge(now, partial(look, process.child.pid))
            if finding is not None:
                stopped = int(signal.SIGSTOP) if finding.stopped else None
                self.fence(finding.reason, signal_number=stopped)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.child.pid, number)

    def _fork(self) -> None:
        office = self._office
        number = office.directory.next_incarnation(self.head)
        listener = Listener(office.address(self.head, number), directory=office.directory.path)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        birth = Birth(
            self.head,
            self.entry.kind,
            office.device,
            office.memory_bytes,
            number,
            office.agent,
            office.secret,
            office.directory.path,
            office.performers,
            self._predecessor(),
            listener,
            theirs,
            office.tls,
        )
        closing = [*office.descriptors(), ours.fileno()]
        child = offspring.fork(lambda: serve(birth), closing=closing, name=self.head, dies=True)
        listener.close()
        theirs.close()
        now = time.monotonic()
        self._process = _Process(child, ours, Pulse(now), now, oom_kills())
        office.selector.register(ours, selectors.EVENT_READ, self._hear)
        office.selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self.said = {}
        self.entry = replace(
            self.entry,
            address=listener.address,
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
        before, asked = self.entry.before, self._recompute
        self._recompute = False
        if not asked:
            return before
        if before is None:
            before = Predecessor(self.entry.incarnation, "restart", None, 0.0, 0.0)
        return replace(before, recompute=True)

    def _hear(self, _: int) -> None:
        """Read the beats that have come."""
        process = self._process
        if process is None:
            return
        data = None
        with suppress(BlockingIOError, ConnectionError):
            while True:
                data = process.beats.recv(4096)
        if data is None:
            return
        now = time.monotonic()
        process.pulse.beat(now)
        self.said = json.loads(data)
        if "busy" in self.said and not process.ready:
            process.ready = True
            self._failures = 0
            start_s = round(now - process.forked, 6)
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

    def _bury(self, process: _Process, status: int) -> None:
        """Note how an incarnation ended, and take its socket away."""
        now = time.monotonic()
        reason, number, detect_s, since = process.fenced or (
            *_how_it_ended(status, process.oom_kills),
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

    def _next(self, process: _Process) -> None:
        if process.ready or process.fenced is not None:
            self._fork()
            return
        self._failures += 1
        before = self.entry.before
        if self._failures >= MOST_FAILURES and before is not None:
            problem = f"it died at its start {self._failures} times in a row: {before.reason}"
            _log.error("%s stays down (CHIM716): %s", self.head, problem)
            self.entry = replace(self.entry, problem=problem)
            return
        self._again = time.monotonic() + _FIRST_PAUSE_S * 2**self._failures
        self.entry = replace(self.entry, state="regenerating")


def local_keepers(office: Office) -> dict[str, HeadKeeper]:
    """Keepers of all heads as processes of this agent."""
    return {head: Keeper(head, office) for head in KINDS}


def _how_it_ended(status: int, oom_kills_before: int) -> tuple[str, int | None]:
    """What a wait status says, and the signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return killed_by(number, kills=oom_kills() - oom_kills_before), number
    code = os.waitstatus_to_exitcode(status)
    return ENDINGS.get(code, f"ended with exit code {code}"), None
