"""Finding the warm agent of CHIMERA_HOME, or starting one: for a run of its own, or to stay.

A warm agent serves a run only if it was started with the same settings and has the same performers:
a run never computes under settings that it was not given.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.forked import ForkedAgent, can_fork, fork_agent
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.recipe import Recipe, command, environment, serves
from chimera_pipelines.settings import Settings

START_S = 120.0
_STOP_S = 6.0
_LOOK_S = 0.1
_OWN = re.compile(r"own-(\d+)-[0-9a-f]+")


@dataclass(slots=True)
class AgentHandle:
    """An agent that this process found or started; a context manager.

    Attributes:
        directory: its folder.
        own: started by this process, and ended by `close`.
        recipe: how another is started when it dies; None: not at all.
        keeps_folder: the folder is not the agent's alone, and stays.
    """

    directory: Path
    own: bool
    recipe: Recipe | None = None
    keeps_folder: bool = False
    _process: subprocess.Popen[bytes] | ForkedAgent | None = None
    _report: int | None = None
    _failure: ChimeraError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(
        self, timeout_s: float = START_S, *, abandoned: Callable[[], bool] = lambda: False
    ) -> None:
        """Return when it answers.

        Raises:
            HeadUnavailableError: CHIM710 another agent is in the folder; CHIM714 it does not come;
                CHIM718 a module of its preload fails.
            EOFError: `abandoned` said, while it was asked now and then, that nobody waits any more.
        """
        until = time.monotonic() + timeout_s
        with self._lock:
            if self._report is not None:
                ready = False
                while not ready and time.monotonic() < until:
                    if abandoned():
                        raise EOFError("nobody waits for the agent any more")
                    ready = bool(select.select([self._report], [], [], _LOOK_S)[0])
                try:
                    self._failure = self._read(self._report if ready else None, timeout_s)
                finally:
                    os.close(self._report)
                    self._report = None
            if self._failure is not None:
                raise self._failure

    def replacement(self) -> AgentHandle:
        """An agent of our own in place of this one, which is dead.

        Raises:
            HeadUnavailableError: CHIM714, nobody said how.
        """
        if self.recipe is None:
            raise HeadUnavailableError(
                "CHIM714",
                f"the agent in '{self.directory}' is gone",
                hint="run 'chimera heads up'",
            )
        return start_own(self.recipe)

    def close(self) -> None:
        """End it with its heads if it is our own; who waits for it hears that it does not come."""
        process = self._process
        if self.own and process is not None:
            process.terminate()
        with self._lock:
            if self._report is not None:
                os.close(self._report)
                self._report = None
        if not self.own or process is None:
            return
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not self.keeps_folder:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, report: int | None, timeout_s: float) -> ChimeraError | None:
        """What it reports of its start; None for the descriptor: it did not in time."""
        text = b"" if report is None else os.read(report, 1 << 16)
        if not text:
            late = f"is not ready after {timeout_s:g} s"
            how = late if report is None else "ended before it was ready"
            return HeadUnavailableError(
                "CHIM714",
                f"the heads' agent {how}",
                hint=f"see '{HeadsDirectory(self.directory).log}'",
            )
        frame = json.loads(text)
        return error_of(frame["error"]) if frame["is"] == "error" else None


def attach_or_start(
    settings: Settings,
    *,
    performers: Mapping[str, str],
    preload: Sequence[str],
    lazily: bool = True,
    forking: bool = False,
) -> AgentHandle:
    """The warm agent of CHIMERA_HOME if it can serve us, else an agent of our own.

    Args:
        settings: of the heads.
        performers: "module:Class" by name.
        preload: modules that an own agent imports before it forks heads.
        lazily: return at once; an own agent is still starting then (`AgentHandle.wait`).
        forking: an own agent may be a fork of this process, whose imports and state it shares,
            if that has but one thread.

    Raises:
        UsageError: CHIM711, CHIM717; HeadUnavailableError: CHIM712: as `HeadsDirectory.read`.
        HeadUnavailableError: CHIM714, CHIM718, unless `lazily`.
    """
    recipe = Recipe(settings, dict(performers), tuple(preload))
    folder = heads_directory(settings)
    state = HeadsDirectory(folder).read()
    if state is not None and serves(state, recipe):
        return AgentHandle(folder, own=False, recipe=recipe)
    handle = start_own(recipe, forking=forking)
    if not lazily:
        handle.wait()
    return handle


def heads_directory(settings: Settings) -> Path:
    """The folder of the warm agent of CHIMERA_HOME."""
    return settings.root / "heads"


def start_own(recipe: Recipe, *, forking: bool = False) -> AgentHandle:
    """Start an agent for this process alone, in a folder of its own; returns at once.

    Arguments as of `attach_or_start`.
    """
    folder = heads_directory(recipe.settings)
    HeadsDirectory(folder).ensure()
    sweep(folder)
    own = folder / f"own-{os.getpid()}-{secrets.token_hex(4)}"
    return start_agent(recipe, own, owner=os.getpid(), forking=forking)


def start_agent(
    recipe: Recipe,
    folder: Path,
    *,
    owner: int | None = None,
    keeps_folder: bool = False,
    forking: bool = False,
) -> AgentHandle:
    """Start an agent in a folder; returns at once (`AgentHandle.wait`).

    Args:
        recipe: how.
        folder: where.
        owner: process that it ends with; None: it stays until it is stopped.
        keeps_folder: the folder stays when the owner ends.
        forking: as `attach_or_start`.

    Raises:
        UsageError: CHIM711, the folder is not ours.
    """
    place = HeadsDirectory(folder)
    place.ensure()
    place.tend_log()
    reading, writing = os.pipe()
    process: subprocess.Popen[bytes] | ForkedAgent
    words = command(recipe, folder, owner=owner, keeps_folder=keeps_folder, report=writing)
    try:
        with _log(place.log) as log:
            variables = environment(recipe.settings)
            if forking and can_fork():
                process = fork_agent(words, variables, log, report=writing)
            else:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=variables,
                    pass_fds=[writing],
                    start_new_session=True,
                )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return AgentHandle(folder, owner is not None, recipe, keeps_folder, process, reading)


def sweep(folder: Path) -> None:
    """Remove folders of agents whose runs were killed."""
    for path in folder.glob("own-*"):
        found = _OWN.fullmatch(path.name)
        if found is None or look(int(found[1])) is not None:
            continue
        with suppress(OSError):
            if not HeadsDirectory(path).held():
                shutil.rmtree(path, ignore_errors=True)


def gone(pid: int, created: int, *, within_s: float) -> bool:
    """Wait until that process has ended; False when it has not in time."""
    until = time.monotonic() + within_s
    while (found := look(pid)) is not None and found.created == created and found.state != "Z":
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def _log(path: Path) -> Any:
    """The log, to be added to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return open(os.open(path, flags, 0o600), "ab")  # noqa: PTH123 - the caller closes it
