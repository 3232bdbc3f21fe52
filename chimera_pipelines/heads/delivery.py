"""A head's process as its keeper has it: how it is forked, and what it says of itself."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.heads import offspring
from chimera_pipelines.heads.liveness import RECOMPUTE_S, START_S, Pulse
from chimera_pipelines.heads.office import Office
from chimera_pipelines.heads.oom import killed_by, oom_kills
from chimera_pipelines.heads.performer import ENDINGS, Predecessor
from chimera_pipelines.heads.process import Birth, serve
from chimera_pipelines.heads.protocol import HeadKind
from chimera_pipelines.heads.wire import Listener

_MOST_BYTES = 1 << 16
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HeadProcess:
    """The process of one incarnation.

    Attributes:
        address: where it listens.
        beats: our end of the socket on which it beats.
        forked: when, on the monotonic clock.
        oom_kills: of the machine, before it began.
        start_s: that it may take until it is ready.
        ready: it has said so.
        failed: it is being ended because it does not come to be ready.
        fenced: reason, signal, seconds since its last sign and time, once it is being ended.
    """

    child: offspring.Child
    address: str
    beats: socket.socket
    pulse: Pulse
    forked: float
    oom_kills: int
    start_s: float = START_S
    ready: bool = False
    failed: bool = False
    fenced: tuple[str, int | None, float, float] | None = None

    def hear(self) -> dict[str, Any] | None:
        """The newest beat that has come; None when none has.

        One that cannot be read is a sign of life all the same.
        """
        data = None
        with suppress(BlockingIOError, ConnectionError):
            while True:
                data = self.beats.recv(_MOST_BYTES)
        if data is None:
            return None
        self.pulse.beat(time.monotonic())
        try:
            said = json.loads(data)
        except ValueError as error:
            _log.error("a beat that is none: %s", error)
            return {}
        return said if isinstance(said, dict) else {}

    def how_it_ended(self, status: int) -> tuple[str, int | None]:
        """What its wait status says, and the signal."""
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            return killed_by(number, kills=oom_kills() - self.oom_kills), number
        code = os.waitstatus_to_exitcode(status)
        return ENDINGS.get(code, f"ended with exit code {code}"), None


def deliver(
    head: str, kind: HeadKind, incarnation: int, before: Predecessor | None, office: Office
) -> HeadProcess:
    """Fork a head.

    Raises:
        OSError: there is no room for its socket, or no process can be made.
    """
    with ExitStack() as theirs, ExitStack() as unless_born:
        address = office.address(head, incarnation)
        listener = Listener(address, directory=office.directory.path)
        theirs.callback(listener.close)
        ours, beats = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.callback(beats.close)
        unless_born.callback(ours.close)
        ours.setblocking(False)
        birth = Birth(
            head,
            kind,
            office.device,
            office.memory_bytes,
            incarnation,
            office.agent,
            office.secret,
            office.directory.path,
            office.performers,
            before,
            listener,
            beats,
            office.tls,
        )
        closing = [*office.descriptors(), ours.fileno()]
        child = offspring.fork(lambda: serve(birth), closing=closing, name=head, dies=True)
        unless_born.pop_all()
    now = time.monotonic()
    start_s = start_limit(before)
    return HeadProcess(child, listener.address, ours, Pulse(now), now, oom_kills(), start_s)


def start_limit(before: Predecessor | None) -> float:
    """Seconds that a head may take to its first work, by what it has to do before."""
    return RECOMPUTE_S if before is not None and before.recompute else START_S
