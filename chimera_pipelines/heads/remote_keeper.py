"""The heads of an agent that run on other machines, as the agent sees them.

A child process, `placement`, has Ray place one agent on each machine and tells what becomes of
their heads. It is a process of its own because Ray starts threads, and an agent forks. To clients
the heads of a cluster are heads of this agent like any others: same folder, same state file, same
requests, only that their addresses are on TCP.
"""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads.channel import Channel
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.nodes import fence_all, remove
from chimera_pipelines.heads.office import HeadKeeper, Office
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.state import KINDS, HeadEntry

PLACED_S = 90.0
MOST_FAILURES = 5
_PAUSE_S = 1.0
_STOP_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is placed where.

    Attributes:
        address: of the Ray cluster; `auto` is the one on this machine.
        gpus: that each machine's agent asks for.
        preload: modules that agents import before they fork.
        settings: digest of the settings of heads.
    """

    address: str
    gpus: float = 0.0
    preload: tuple[str, ...] = ()
    settings: str = ""

    def keepers(self, office: Office) -> dict[str, HeadKeeper]:
        """Keepers of all heads; the cluster was reached when this returns.

        Raises:
            ChimeraError: CHIM756 Ray is not installed, CHIM757 the cluster cannot be reached.
        """
        return dict(Placer(self, office).keepers)


class Placer:
    """The child that places, and what it told. Started anew when it dies."""

    def __init__(self, cluster: Cluster, office: Office) -> None:
        self.keepers = {head: RemoteKeeper(head, office, self) for head in KINDS}
        self._cluster = cluster
        self._office = office
        self._failures = 0
        self._again: float | None = None
        self._stopping = False
        self._stop_by = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._wait(self._start())

    @property
    def gone(self) -> bool:
        """Whether nothing is placed, nor will be."""
        return self._process is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Ask for something; a placer that is gone is asked again by `_start`."""
        with suppress(OSError):
            self._channel.send(message)

    def stop(self) -> None:
        """Have all heads end, for good."""
        if not self._stopping:
            self._stopping = True
            self._again = None
            self._stop_by = time.monotonic() + _STOP_S
            self.send({"do": "stop"})

    def kill(self) -> None:
        """End the child when it has had its time; Ray ends what it placed."""
        self.stop()
        if self._process is not None and time.monotonic() > self._stop_by:
            self._process.kill()

    def tick(self, now: float) -> None:
        """Start it again when its time has come."""
        if self._again is not None and now >= self._again:
            self._again = None
            self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._channel, theirs = Channel.pair()
        command = [sys.executable, "-P", "-m", "chimera_pipelines.heads.placement"]
        self._process = process = subprocess.Popen(
            [*command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        office = self._office
        order = {
            **asdict(self._cluster),
            "agent": office.agent,
            "secret": office.secret.hex(),
            "folder": str(office.directory.path),
            "performers": dict(office.performers),
        }
        self.send(order)
        for head, keeper in self.keepers.items():
            if keeper.wanted:
                self.send({"do": "start", "head": head})
        self._pidfd = os.pidfd_open(process.pid)
        office.selector.register(self._channel, selectors.EVENT_READ, self._hear)
        office.selector.register(self._pidfd, selectors.EVENT_READ, self._ended)
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the first word of the first placer."""
        self._channel.settimeout(PLACED_S)
        try:
            message = self._channel.receive()
        except TimeoutError:
            message = None
        if message is not None and message["is"] == "ready":
            return
        process.kill()
        process.wait()
        if message is None:
            raise HeadUnavailableError(
                "CHIM757",
                f"heads cannot be placed on the cluster '{self._cluster.address}'",
                hint=f"see '{self._office.directory.log}'",
            )
        raise error_of(message["error"])

    def _hear(self, _: int) -> None:
        self._channel.settimeout(0)
        with suppress(BlockingIOError):
            while (message := self._channel.receive()) is not None:
                self._told(message)

    def _told(self, message: Mapping[str, Any]) -> None:
        match message["is"]:
            case "ready":
                self._failures = 0
            case "heads":
                for head, told in message["heads"].items():
                    self.keepers[head].told(told["entry"], told["beat"])
            case "lost":
                for head in message["heads"]:
                    self.keepers[head].lost(message["reason"], message["detect_s"])
            case "error":
                error = error_of(message["error"])
                _log.error("placing heads: %s", error)
                for head in message.get("heads", KINDS):
                    self.keepers[head].fails(error)

    def _ended(self, _: int) -> None:
        process = self._process
        if process is None or process.poll() is None:
            return
        self._hear(0)
        self._office.selector.unregister(self._channel)
        self._office.selector.unregister(self._pidfd)
        self._channel.close()
        os.close(self._pidfd)
        self._process = None
        if self._stopping:
            remove(self._office.directory.path, self._office.agent)
            return
        fence_all(self._office.directory.path)  # Ray may take seconds to end what it placed
        for keeper in self.keepers.values():
            keeper.lost("who placed it is gone", 0.0)
        self._failures += 1
        if self._failures < MOST_FAILURES:
            self._again = time.monotonic() + _PAUSE_S * self._failures
            return
        error = HeadUnavailableError("CHIM757", f"placing heads failed {self._failures} times")
        for keeper in self.keepers.values():
            keeper.fails(error)


class RemoteKeeper:
    """One head on another machine.

    Attributes:
        entry: as the agent publishes it.
        said: its last beat, a second old at most while its machine answers.
        wanted: it was asked for, so it is started wherever it may be.
    """

    def __init__(self, head: str, office: Office, placer: Placer) -> None:
        number = office.directory.incarnations().get(head, 0)
        self.entry = HeadEntry(KINDS[head], office.device, incarnation=number)
        self.said: Mapping[str, Any] = {}
        self.wanted = False
        self._head = head
        self._office = office
        self._placer = placer

    @property
    def gone(self) -> bool:
        """Whether it has no process, nor will have."""
        return self._placer.gone

    def start(self) -> None:
        """Have it started unless it is there."""
        self.wanted = True
        self.entry = replace(self.entry, problem=None)
        self._placer.send({"do": "start", "head": self._head})

    def fence(
        self, reason: str, *, signal_number: int | None = None, recompute: bool = False
    ) -> None:
        """Have its machine's agent end this incarnation and fork the next."""
        del signal_number
        self.wanted = True
        frame = {"do": "restart", "head": self._head, "reason": reason, "recompute": recompute}
        self._placer.send(frame)

    def stop(self) -> None:
        """Have it end, for good."""
        self._placer.stop()

    def kill(self) -> None:
        """End it, for good."""
        self._placer.kill()

    def tick(self, now: float) -> None:
        """Look after the placer."""
        self._placer.tick(now)

    def told(self, entry: Mapping[str, Any], beat: Mapping[str, Any]) -> None:
        """What its machine's agent publishes of it."""
        self.said = beat
        found, known = HeadEntry.from_json(entry), self.entry
        waits = known.state == "regenerating" and not found.answers and found.problem is None
        if found.incarnation < known.incarnation or (waits and not known.answers):
            return  # not started there yet: what we know of its last one is newer
        found = replace(found, before=_newer(known.before, found.before))
        if found != self.entry:
            self.entry = found
            self._office.directory.note_incarnation(self._head, found.incarnation)
            self._office.changed()

    def lost(self, reason: str, detect_s: float) -> None:
        """Its machine does not answer, and its incarnation was fenced."""
        self.said = {}
        entry = self.entry
        if not entry.answers:
            return
        before = Predecessor(entry.incarnation, reason, None, round(detect_s, 6), 0.0)
        _log.warning("%s.%d: %s", self._head, entry.incarnation, reason)
        self.entry = replace(
            entry, address=None, pid=None, created=None, state="regenerating", before=before
        )
        self._office.changed()

    def fails(self, error: ChimeraError) -> None:
        """It cannot be started."""
        self.entry = replace(self.entry, state="down", problem=error.message)
        self._office.changed()


def _newer(ours: Predecessor | None, theirs: Predecessor | None) -> Predecessor | None:
    """How the last incarnation ended: as we saw it, unless its machine's agent saw a later one."""
    if theirs is None or (ours is not None and ours.incarnation >= theirs.incarnation):
        return ours
    return replace(theirs, fenced_at=None)  # clocks of two machines have nothing in common
