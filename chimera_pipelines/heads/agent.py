"""The head agent: imports once, forks heads and run workers, and looks after them.

One thread and one selector, so that a fork copies no lock that anyone holds. Imports happen before
the first fork and the collector leaves them alone afterwards, so that heads share their pages; CUDA
is never touched here, because it does not survive a fork. Heads die with the agent, whatever ends
it. Run workers do not: a run finds other heads.
"""

from __future__ import annotations

import logging
import os
import secrets
import selectors
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import UsageError
from chimera_pipelines.heads.control import Client, ControlServer
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.keeper import local_keepers
from chimera_pipelines.heads.office import HeadKeeper, Office
from chimera_pipelines.heads.preloading import preload
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.run_workers import RunWorkers
from chimera_pipelines.heads.state import CONTROL, KINDS, State
from chimera_pipelines.heads.tls import Tls
from chimera_pipelines.heads.wire import Listener

TICK_S = 0.1
STOP_S = 3.0
LOOK_S = 5.0
_REASON_CHARS = 300
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What a door asks of an agent.

    Attributes:
        preload: modules that are imported before the first fork.
        performers: "module:Class" by name; their modules are imported too.
        settings: digest of the settings in our environment.
        start: heads to start at once; the others when asked for.
        owner: process that we serve and end with, or None.
        keeps_folder: the folder stays when the owner ends; else it was made for the owner alone.
        listen: as `Office.listen`.
        tls: of connections over TCP.
        secret: opens our sockets; a new one by default.
        inherits: as `Office.inherits`.
        keepers: makes what keeps each head; by default they are processes of ours.
    """

    directory: Path
    preload: tuple[str, ...] = ()
    performers: Mapping[str, str] | None = None
    device: str = "cpu"
    memory_bytes: int | None = None
    settings: str = ""
    start: tuple[str, ...] = ()
    owner: int | None = None
    keeps_folder: bool = False
    listen: str | None = None
    tls: Tls | None = None
    secret: bytes | None = field(default=None, repr=False)
    inherits: float | None = None
    keepers: Callable[[Office], Mapping[str, HeadKeeper]] = local_keepers


class Agent:
    """Makes itself the agent of a directory; `run` is its life.

    Raises:
        HeadUnavailableError: CHIM710 another agent is there; CHIM718 a preload fails.
        UsageError: CHIM711, the directory is not ours.
    """

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._directory = HeadsDirectory(options.directory)
        self._directory.ensure()
        self._lock = self._directory.lock()
        self._directory.clean()
        performers = dict(options.performers or {})
        preload((*options.preload, *(target.split(":")[0] for target in performers.values())))
        self._selector = selectors.DefaultSelector()
        self._workers = RunWorkers(self._selector, self._descriptors)
        self._dirty = True
        self._unpublished = False
        self._look_again = 0.0
        self._stop_at: float | None = None
        mine = look(os.getpid())
        self._office = Office(
            secrets.token_hex(8),
            options.secret or secrets.token_bytes(32),
            self._directory,
            performers,
            options.device,
            options.memory_bytes,
            self._selector,
            self._changed,
            self._descriptors,
            options.listen,
            options.tls,
            options.inherits,
        )
        self._created = mine.created if mine is not None else 0
        self._began = time.monotonic()
        self._keepers = options.keepers(self._office)
        listener = Listener(CONTROL, directory=options.directory)
        self._control = ControlServer(listener, self._office.secret, self._selector, self._answer)
        self._wake = self._take_signals()
        if options.owner is not None:
            self._watch_owner(options.owner)
        self._publish()

    def run(self) -> None:
        """Live until the end: asked to, or the owner is gone. Heads are gone before this returns.

        Whatever goes wrong here, no head outlives it.
        """
        try:
            for head in self._options.start:
                self._keepers[head].start()
            while not self._over():
                self._turn()
        finally:
            self._end()

    def _turn(self) -> None:
        for key, mask in self._selector.select(TICK_S):
            # A key may be gone: what was served before it in this turn has closed it.
            if self._selector.get_map().get(key.fd) is key:
                key.data(mask)
        now = time.monotonic()
        for keeper in self._keepers.values():
            keeper.tick(now)
        self._control.sweep(now)
        if now > self._look_again:
            self._look_again = now + LOOK_S
            self._directory.tend_log()
            self._dirty = self._dirty or self._unpublished
        if self._dirty:
            self._publish()

    def _over(self) -> bool:
        if self._stop_at is None:
            return False
        if time.monotonic() > self._stop_at:
            for keeper in self._keepers.values():
                keeper.kill()
        return all(keeper.gone for keeper in self._keepers.values())

    def _stop(self, grace_s: float = STOP_S) -> None:
        """Let everything end by one common deadline."""
        if self._stop_at is None:
            _log.info("agent %s stops", self._office.agent)
            self._stop_at = time.monotonic() + grace_s
            for keeper in self._keepers.values():
                keeper.stop()

    def _end(self) -> None:
        for keeper in self._keepers.values():
            keeper.kill()
        while not all(keeper.gone for keeper in self._keepers.values()):
            self._turn()
        self._directory.clean()
        self._control.close()
        if self._options.owner is not None and not self._options.keeps_folder:
            shutil.rmtree(self._directory.path, ignore_errors=True)
        os.close(self._lock)

    def _changed(self) -> None:
        self._dirty = True

    def _publish(self) -> None:
        self._dirty = False
        state = self._state()
        try:
            self._directory.publish(state)
        except OSError as error:
            # Heads and watchers go on; who comes anew may find an old state until there is room.
            _log.error("the state cannot be written: %s", error)
            self._unpublished = True
        else:
            self._unpublished = False
        self._control.tell_watchers({"is": "state", "state": state.as_json(secret=False)})

    def _state(self) -> State:
        return State(
            self._office.agent,
            os.getpid(),
            self._created,
            self._office.secret,
            self._office.performers,
            self._options.settings,
            {head: keeper.entry for head, keeper in self._keepers.items()},
        )

    def _answer(self, client: Client, frame: dict[str, Any]) -> Mapping[str, Any] | None:
        """The answer to a control request."""
        match frame["do"]:
            case "status":
                return self._status()
            case "watch":
                client.watches = True
                return {"is": "state", "state": self._state().as_json(secret=False)}
            case "start":
                self._keeper(frame).start()
            case "restart":
                recompute = frame.get("recompute") is True
                self._keeper(frame).fence(f"restart: {_reason(frame)}", recompute=recompute)
            case "fault":
                keeper = self._keeper(frame)
                if keeper.entry.incarnation == frame["incarnation"]:
                    keeper.fence(f"fault: {_reason(frame)}")
            case "spawn":
                return {"is": "spawned", "pid": self._workers.spawn(frame)}
            case "stop":
                self._stop()
            case other:
                raise ValueError(f"request {other!r}")
        return {"is": "ok"}

    def _keeper(self, frame: Mapping[str, Any]) -> HeadKeeper:
        keeper = self._keepers.get(frame["head"])
        if keeper is None:
            raise UsageError(
                "CHIM206", f"no head '{frame['head']}'", hint=f"there are: {', '.join(KINDS)}"
            )
        return keeper

    def _status(self) -> dict[str, Any]:
        heads = {head: {"beat": k.said} for head, k in self._keepers.items()}
        return {
            "is": "status",
            "state": self._state().as_json(secret=False),
            "uptime_s": time.monotonic() - self._began,
            "heads": heads,
            "workers": len(self._workers),
        }

    def _take_signals(self) -> tuple[socket.socket, socket.socket]:
        """Have signals wake the selector; none ends us in the middle of something."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it reaps nobody
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._selector.register(ours, selectors.EVENT_READ, self._signalled)
        return ours, theirs

    def _signalled(self, _: int) -> None:
        with suppress(BlockingIOError):
            self._wake[0].recv(64)
        self._stop()

    def _watch_owner(self, owner: int) -> None:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(owner)
            if os.getppid() == owner:
                self._selector.register(handle, selectors.EVENT_READ, self._owner_gone)
                return
        self._stop(0.0)

    def _owner_gone(self, _: int) -> None:
        _log.info("the process that we served is gone")
        self._stop(0.0)

    def _descriptors(self) -> list[int]:
        registered = [key.fd for key in self._selector.get_map().values()]
        epoll = getattr(self._selector, "fileno", lambda: -1)()
        return [*registered, epoll, self._lock, self._wake[1].fileno()]


def _reason(frame: Mapping[str, Any]) -> str:
    """Why a client asks, on one line: it goes into log, state and beats."""
    return " ".join(str(frame["reason"])[:_REASON_CHARS].split())
