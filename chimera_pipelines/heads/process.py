"""The head process: threads and sockets around a `HeadServer`.

Main performs works, because only there can a step be interrupted; one thread accepts, one reads
each connection, one beats. The agent bound and listens on the head's socket before the fork, so
that a client can connect as soon as it knows the address.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from chimera_pipelines.heads import wire
from chimera_pipelines.heads.head_server import HeadServer, MakePerformer
from chimera_pipelines.heads.interrupts import Interrupts
from chimera_pipelines.heads.liveness import BEAT_S
from chimera_pipelines.heads.performer import DeviceLostError, HeadContext, Predecessor
from chimera_pipelines.heads.protocol import HeadKind
from chimera_pipelines.heads.reception import Reception
from chimera_pipelines.heads.regeneration import (
    OUT_OF_SERVICE,
    REGENERATION,
    Regenerator,
    regenerate,
)
from chimera_pipelines.heads.timeline import Timeline
from chimera_pipelines.heads.tls import Tls

_STEP_CHARS = 300  # of a step's name in a beat: a datagram that the agent reads in one piece

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Birth:
    """What a head process begins with.

    Attributes:
        memory_bytes: of its register bank; None for a share of the device's memory.
        listener: the socket that the agent bound for it.
        beats: where heartbeats go, a datagram each.
        tls: of connections over TCP.
    """

    head: str
    kind: HeadKind
    device: Any
    memory_bytes: int | None
    incarnation: int
    agent: str
    secret: bytes = field(repr=False)
    directory: Path
    performers: Mapping[str, str]
    before: Predecessor | None
    listener: wire.Listener
    beats: socket.socket
    tls: Tls | None = None


def serve(birth: Birth) -> NoReturn:
    """Be a head until the end; called in the main thread of a new process."""
    interrupts = Interrupts()
    interrupts.install()
    signal.signal(signal.SIGTERM, _end)
    os.environ["CHIMERA_HEAD"] = birth.head
    beats = Beats(birth.beats)
    beats.begin()
    try:
        here = _context(birth)
    except Exception as error:
        beats({"dying": f"{type(error).__name__}: {error}"[:1500]})
        raise
    server = HeadServer(here, makers(birth.performers), beat=beats, interrupts=interrupts)
    server.timeline = _come_back(here, birth.performers.get(REGENERATION), beats)
    beats(server.beat())
    accept = Reception(server, birth.secret, birth.tls).accept
    threading.Thread(target=accept, args=(birth.listener,), name="accept", daemon=True).start()
    try:
        while True:
            server.perform_next()
    except DeviceLostError as error:
        _log.error("%s ends: %s", birth.head, error.message)
        sys.exit(error.exit_status)
    finally:
        server.close()


def makers(performers: Mapping[str, str]) -> dict[str, MakePerformer]:
    """How performers are made, by name, from "module:Class"."""
    return {
        name: partial(_made, target) for name, target in performers.items() if name != REGENERATION
    }


def _made(target: str, here: HeadContext) -> Any:
    """An object of a "module:Class"."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)(here)


def _come_back(here: HeadContext, target: str | None, beats: Beats) -> dict[str, Any] | None:
    """Do what comes before the first work; the timeline, where there was someone before us."""
    regenerator: Regenerator | None = None if target is None else _made(target, here)
    timeline = regenerate(here, regenerator)
    if timeline.problem is not None:
        beats({"problem": {**timeline.problem, "message": timeline.problem["message"][:1500]}})
    if regenerator is not None:
        writer = threading.Thread(target=_record, args=(regenerator, timeline), name="record")
        writer.start()
        if timeline.problem is not None:
            writer.join()
    if timeline.problem is not None:
        _log.error("%s", timeline.problem["message"])
        sys.exit(OUT_OF_SERVICE)
    if timeline.old is None:
        return None
    _log.info("%s", timeline.line())
    return timeline.as_json()


def _record(regenerator: Regenerator, timeline: Timeline) -> None:
    """Keep a timeline; a head whose record cannot be kept works all the same."""
    try:
        regenerator.record(timeline)
    except Exception:  # noqa: BLE001 - a door's
        _log.exception("no record of: %s", timeline.line())


class Beats:
    """The heartbeat: tells the agent what the head does, every `BEAT_S` and at each change."""

    def __init__(self, to: socket.socket) -> None:
        to.setblocking(False)
        self._to = to
        self._said: bytes | None = None

    def begin(self) -> None:
        """Beat from now on. Before the first call nothing is said, which only shows life."""
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def __call__(self, now: Mapping[str, Any]) -> None:
        """Say this, now and from now on."""
        step = now.get("step")
        if isinstance(step, str):
            now = {**now, "step": step[:_STEP_CHARS]}
        self._said = json.dumps(now).encode()
        self._send()

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_S):
            self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError, ConnectionError):  # a full buffer has beats enough
            self._to.send(self._said or b"{}")


def _context(birth: Birth) -> HeadContext:
    from chimera_pipelines.heads.local import build_head

    head = build_head(
        birth.head, birth.device, memory_bytes=birth.memory_bytes, incarnation=birth.incarnation
    )
    return HeadContext(
        birth.head,
        birth.kind,
        birth.device,
        birth.incarnation,
        birth.agent,
        birth.directory,
        head,
        birth.before,
    )


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)
