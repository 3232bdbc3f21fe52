"""What a head does with the frames that it gets, without processes, sockets and clocks.

Works of all clients wait in one queue, first come first served; the main thread performs them one
at a time. `watch` tells a client when the head becomes busy and idle. Registers are served at once
in the thread that asks: two heads that ask each other in the middle of their works would otherwise
wait for each other for ever. Sessions for another head are served at once too, by a desk.

A client that hangs up loses its works only if they were given so; else they go on, and whoever
resumes the run adopts them.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import register_frames
from chimera_pipelines.heads.desk import SESSIONS, FrontDesk
from chimera_pipelines.heads.device_faults import device_lost
from chimera_pipelines.heads.frames import Bytes, Message
from chimera_pipelines.heads.interrupts import Interrupts
from chimera_pipelines.heads.jobs import Job, Peer
from chimera_pipelines.heads.performer import DeviceLostError, HeadContext, Performer, Work

MakePerformer: TypeAlias = Callable[[HeadContext], Performer]

_log = logging.getLogger(__name__)


class HeadServer:
    """The works, watchers and performers of one head process.

    Args:
        here: which head this is.
        performers: how each is made, by name.
        beat: told what `beat` says whenever that has changed.
        interrupts: of the main thread.

    Attributes:
        timeline: how this incarnation took over from another one; every watcher is told.
    """

    def __init__(
        self,
        here: HeadContext,
        performers: Mapping[str, MakePerformer],
        *,
        beat: Callable[[Mapping[str, Any]], None],
        interrupts: Interrupts | None = None,
    ) -> None:
        self.here = here
        self.interrupts = interrupts or Interrupts()
        self.timeline: dict[str, Any] | None = None
        self._makers = {name: make for name, make in performers.items() if name != SESSIONS}
        self._desk = FrontDesk(here, performers.get(SESSIONS))
        self._performers: dict[str, Performer] = {}
        self._tell = beat
        self._waiting: deque[Job] = deque()
        self._now: Job | None = None
        self._watchers: list[Peer] = []
        self._changed = threading.Condition(threading.RLock())

    # From reader threads.

    def receive(self, peer: Peer, message: Message) -> None:
        """Do what a frame asks.

        Raises:
            LookupError, TypeError, ValueError: no client of ours sends such a frame.
        """
        frame = message.frame
        match frame["do"]:
            case "perform":
                self._accept(peer, message)
            case "watch":
                self._watch(peer)
            case "cancel":
                name, reason = str(frame["work"]), str(frame.get("reason", ""))
                self._cancel(lambda work: name in (work.id, work.run), reason)
            case "adopt":
                self._adopt(peer, str(frame["run"]))
            case "status":
                self._send(peer, {"is": "status", **self.status()})
            case "register":
                answer, buffers = register_frames.serve(self.here.head, message)
                self._send(peer, answer, buffers)
            case "session":
                self._desk.ask(peer, message)
            case other:
                raise ValueError(f"frame {other!r}")

    def gone(self, peer: Peer) -> None:
        """A client has hung up."""
        self._desk.gone(peer)
        with self._changed:
            self._watchers = [watcher for watcher in self._watchers if watcher is not peer]
            mine = [job.work.id for job in self._jobs() if job.peer is peer]
        self._cancel(lambda work: work.orphan == "cancel" and work.id in mine)

    def status(self) -> dict[str, Any]:
        """What this head does and holds."""
        with self._changed:
            works = [{"work": j.work.id, "run": j.work.run} for j in self._jobs()]
        return {
            "head": self.here.id,
            "incarnation": self.here.incarnation,
            "pid": os.getpid(),
            **self.beat(),
            "works": works,
        }

    def beat(self) -> dict[str, Any]:
        """What every heartbeat says."""
        now = self._now
        bank = self.here.head.bank
        return {
            "busy": now is not None,
            "step": None if now is None else now.work.current,
            "queued": len(self._waiting),
            "registers": len(bank),
            "register_bytes": bank.used,
        }

    def _accept(self, peer: Peer, message: Message) -> None:
        job = Job.of(message, peer)
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        if self._now is not None:  # one that is idle takes it at once, and says so then
            self._tell(self.beat())

    def _watch(self, peer: Peer) -> None:
        with self._changed:
            self._watchers.append(peer)
            busy = bool(self._jobs())
        found = {"is": "busy" if busy else "idle", "work": self._doing()}
        self._send(peer, {**found, "step": self.beat()["step"]})
        if self.timeline is not None:
            self._send(peer, {"is": "regenerated", "timeline": self.timeline})

    def _cancel(self, wanted: Callable[[Work], bool], reason: str = "") -> None:
        with self._changed:
            works = [job.work for job in self._jobs() if wanted(job.work)]
            works = [work for work in works if not work.cancelled]
            for work in works:
                work.cancelled, work.reason = True, reason
            now = self._now
            # Under the lock: the work must not end, and the next one begin, before it is told.
            if now is not None and any(work is now.work for work in works):
                performer = self._performers.get(now.work.performer)
                if performer is not None:
                    performer.cancel(now.work)

    def _adopt(self, peer: Peer, run: str) -> None:
        with self._changed:
            jobs = [job for job in self._jobs() if job.work.run == run]
            for job in jobs:
                job.peer = peer
            works = [job.for_adoption() for job in jobs]
            self._send(peer, {"is": "adopted", "run": run, "works": works})

    def _jobs(self) -> list[Job]:
        return [*([self._now] if self._now is not None else []), *self._waiting]

    # From the main thread.

    def perform_next(self) -> None:
        """Wait for a work and perform it.

        Raises:
            DeviceLostError: its device is lost, and the client was told; end the process.
        """
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            job = self._now = self._waiting.popleft()
            self._broadcast("busy")
        error = self._perform(job)
        with self._changed:
            self._now = None
            queued = len(self._waiting)
            self._send(job.peer, job.rest(error, queued))
            if isinstance(error, DeviceLostError):
                raise error
            if not queued:
                self._broadcast("idle")

    def close(self) -> None:
        """Close every performer and the desk; an error of one is logged."""
        closing = {name: performer.close for name, performer in self._performers.items()}
        for name, close in {**closing, SESSIONS: self._desk.close}.items():
            try:
                close()
            except Exception:  # noqa: BLE001 - a performer's; the others are still to be closed
                _log.exception("performer %r does not close", name)
        self._performers.clear()

    def _perform(self, job: Job) -> BaseException | None:
        """Perform a work; the error that ended it."""
        work = job.work
        try:
            with self.interrupts.allowed():
                performer = self._performer(work.performer)
                if not work.cancelled:
                    performer.perform(work, partial(self._emit, job))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the client gets it
            self.interrupts.forbid()
            return device_lost(error) or error
        return None

    def _performer(self, name: str) -> Performer:
        if name not in self._performers:
            if name not in self._makers:
                raise HeadUnavailableError(
                    "CHIM720",
                    f"{self.here.id} was started without performer '{name}'",
                    hint="run 'chimera heads down', then 'chimera heads up'",
                )
            made = self._makers[name](self.here)
            with self._changed:
                self._performers[name] = made
        return self._performers[name]

    def _emit(self, job: Job, frame: Mapping[str, Any]) -> None:
        with self.interrupts.shielded():
            told = {**frame, "work": job.work.id}
            buffers = told.pop("buffers", ())
            with self._changed:  # who adopts the work gets the frame once: in its list or sent
                job.saw(told)
                self._send(job.peer, told, buffers)
            self._tell(self.beat())

    def _doing(self) -> str | None:
        """The work that it performs, by which those who wait see for whom."""
        now = self._now
        return None if now is None else now.work.id

    def _broadcast(self, what: str) -> None:
        """Tell all watchers, with the lock held: each hears of the changes in their order."""
        for peer in self._watchers:
            self._send(peer, {"is": what, "work": self._doing()})
        self._tell(self.beat())

    def _send(self, peer: Peer, frame: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> None:
        try:
            peer.send(frame, buffers)
        except OSError as error:
            _log.info("a client is gone: %s", error)
            peer.hang_up()
