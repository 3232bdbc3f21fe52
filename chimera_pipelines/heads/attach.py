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
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.proc import look
from chimera_pipelines.heads.state import State
from chimera_pipelines.settings import Settings

START_S = 120.0
_STOP_S = 6.0
_LOG_BYTES = 16 * 1024 * 1024
_OWN = re.compile(r"own-(\d+)-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an agent is started.

    Attributes:
        performers: "module:Class" by name.
        preload: modules that it imports before it forks.
        start: heads that it starts at once.
        options: further words of its command line.
    """

    settings: Settings
    performers: Mapping[str, str]
    preload: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class AgentHandle:
    """An agent that this process found or started; a context manager.

    Attributes:
        directory: its folder.
        own: started by this process for itself, and ended by `close`.
        recipe: how another is started when it dies; None: not at all.
    """

    directory: Path
    own: bool
    recipe: Recipe | None = None
    _process: subprocess.Popen[bytes] | None = None
    _report: int | None = None
    _failure: ChimeraError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, timeout_s: float = START_S) -> None:
        """Return when it answers.

        Raises:
            HeadUnavailableError: CHIM710 another agent is in the folder; CHIM714 it does not come;
                CHIM718 a module of its preload fails.
        """
        with self._lock:
            if self._report is not None:
                try:
                    self._failure = self._read(self._report, timeout_s)
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
        """End it with its heads if it is our own."""
        with self._lock:
            if self._report is not None:
                os.close(self._report)
                self._report = None
        process = self._process
        if not self.own or process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
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

    def _read(self, report: int, timeout_s: float) -> ChimeraError | None:
        """What it reports of its start."""
        ready, _, _ = select.select([report], [], [], timeout_s)
        text = os.read(report, 1 << 16) if ready else b""
        if not text:
            how = "ended before it was ready" if ready else f"is not ready after {timeout_s:g} s"
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
) -> AgentHandle:
    """The warm agent of CHIMERA_HOME if it can serve us, else an agent of our own.

    Args:
        settings: of the heads.
        performers: "module:Class" by name.
        preload: modules that an own agent imports before it forks heads.
        lazily: return at once; an own agent is still starting then (`AgentHandle.wait`).

    Raises:
        UsageError: CHIM711, CHIM717; HeadUnavailableError: CHIM712: as `HeadsDirectory.read`.
        HeadUnavailableError: CHIM714, CHIM718, unless `lazily`.
    """
    recipe = Recipe(settings, dict(performers), tuple(preload))
    folder = heads_directory(settings)
    state = HeadsDirectory(folder).read()
    if state is not None and serves(state, recipe):
        return AgentHandle(folder, own=False, recipe=recipe)
    handle = start_own(recipe)
    if not lazily:
        handle.wait()
    return handle


def heads_directory(settings: Settings) -> Path:
    """The folder of the warm agent of CHIMERA_HOME."""
    return settings.root / "heads"


def serves(state: State, recipe: Recipe) -> bool:
    """Whether a warm agent has what a run wants, and the settings that it was given."""
    wanted = settings_digest(recipe.settings)
    return state.settings == wanted and recipe.performers.items() <= state.performers.items()


def start_own(recipe: Recipe) -> AgentHandle:
    """Start an agent for this process alone, in a folder of its own; returns at once."""
    folder = heads_directory(recipe.settings)
    HeadsDirectory(folder).ensure()
    sweep(folder)
    own = folder / f"own-{os.getpid()}-{secrets.token_hex(4)}"
    return start_agent(recipe, own, owner=os.getpid())


def start_agent(recipe: Recipe, folder: Path, *, owner: int | None = None) -> AgentHandle:
    """Start an agent in a folder; returns at once (`AgentHandle.wait`).

    Args:
        recipe: how.
        folder: where.
        owner: process that it ends with; None: it stays until it is stopped.

    Raises:
        UsageError: CHIM711, the folder is not ours.
    """
    place = HeadsDirectory(folder)
    place.ensure()
    reading, writing = os.pipe()
    try:
        with _log(place.log) as log:
            process = subprocess.Popen(
                _command(recipe, folder, owner, writing),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(recipe.settings),
                pass_fds=[writing],
                start_new_session=True,
            )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return AgentHandle(folder, owner is not None, recipe, process, reading)


def settings_digest(settings: Settings) -> str:
    """Names the settings that heads have."""
    fields = {**settings.model_dump(mode="json"), "home": str(settings.root)}
    return sha256(canonical(fields))


def environment(settings: Settings) -> dict[str, str]:
    """Our environment, with these settings in place of ours."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CHIMERA_")}
    fields = {**settings.model_dump(mode="json"), "home": str(settings.root)}
    given = {name: value for name, value in fields.items() if value is not None}
    return kept | {f"CHIMERA_{name.upper()}": _text(value) for name, value in given.items()}


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


def _command(recipe: Recipe, folder: Path, owner: int | None, report: int) -> list[str]:
    settings = recipe.settings
    lists = {
        "--preload": recipe.preload,
        "--performer": [f"{name}={target}" for name, target in recipe.performers.items()],
        "--start": recipe.start,
    }
    single = {
        "--device": settings.device,
        "--memory": settings.head_memory_bytes,
        "--settings": settings_digest(settings),
        "--owner": owner,
        "--report": report,
    }
    command = [sys.executable, "-P", "-m", "chimera_pipelines.heads", str(folder)]
    for option, values in lists.items():
        command += [part for value in values for part in (option, value)]
    for name, value in single.items():
        command += [] if value is None else [name, str(value)]
    return [*command, *recipe.options]


def _log(path: Path) -> Any:
    """The log to be added to; begun anew when it is long."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return open(os.open(path, flags, 0o600), "ab")  # noqa: PTH123 - the caller closes it


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
