"""Warm heads that outlive a run: up, down, restart, status, for the agent of CHIMERA_HOME."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError, UsageError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.attach import gone, heads_directory, start_agent
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.proc import end
from chimera_pipelines.heads.recipe import Recipe, serves
from chimera_pipelines.heads.reports import rows_of_status, rows_without_agent
from chimera_pipelines.heads.state import CONTROL, KINDS, State
from chimera_pipelines.settings import Settings

UP_S = 120.0
_DOWN_S = 10.0
_KILLED_S = 5.0


def up(recipe: Recipe, *, timeout_s: float = UP_S) -> list[dict[str, Any]]:
    """Have all four heads running; returns their rows when each of them answers.

    Raises:
        UsageError: CHIM711, CHIM717; CHIM721, heads with other settings are up.
        HeadUnavailableError: CHIM712, CHIM714, CHIM716, CHIM718.
    """
    until = time.monotonic() + timeout_s
    directory = HeadsDirectory(heads_directory(recipe.settings))
    state = _starting(directory, until)
    if state is None:
        _start(replace(recipe, start=tuple(KINDS)), directory, until)
        state = _starting(directory, until)
    if state is None:
        raise _no_agent(directory)
    if not serves(state, recipe):
        raise UsageError(
            "CHIM721",
            f"the heads that are up (agent {state.pid}) have other settings or other performers",
            hint="run 'chimera heads down', then 'chimera heads up'",
        )
    with _answering(directory, state, until) as control:
        for head in KINDS:
            control.send({"do": "start", "head": head})
        _until(control, state, _all_answer, until)
    return status(recipe.settings)


@contextmanager
def beside(recipe: Recipe) -> Iterator[bool]:
    """Warm heads for as long as this process lasts, unless some are up; whether they are ours.

    Returns at once; heads are still starting then. Whatever ends this process ends them.

    Raises:
        UsageError: CHIM711, the folder belongs to somebody else.
    """
    directory = HeadsDirectory(heads_directory(recipe.settings))
    if directory.exists() and directory.held():
        yield False
        return
    recipe = replace(recipe, start=tuple(KINDS))
    with start_agent(recipe, directory.path, owner=os.getpid(), keeps_folder=True):
        yield True


def down(settings: Settings) -> int | None:
    """End the warm agent and its heads; how many heads there were, None when no agent ran.

    An agent that does not answer is killed, and its heads die with it.

    Raises:
        UsageError: CHIM711, the folder belongs to somebody else.
        HeadUnavailableError: CHIM714, it cannot be ended.
    """
    directory = HeadsDirectory(heads_directory(settings))
    if not directory.exists() or not directory.held():
        return None
    agent = directory.holder()
    heads = 0
    try:
        state = directory.read()
        if state is not None:
            heads = sum(entry.pid is not None for entry in state.heads.values())
            with _control(directory, state, time.monotonic() + _DOWN_S) as control:
                control.send({"do": "stop"})
                control.receive()
    except (OSError, EOFError, ChimeraError) as error:
        if isinstance(error, UsageError) and error.code == "CHIM711":
            raise
    else:
        if _free(directory, _DOWN_S):
            if agent is not None:
                gone(*agent, within_s=_KILLED_S)  # it holds nothing any more
            return heads
    if agent is not None:
        end(*agent)
        gone(*agent, within_s=_KILLED_S)
    if not _free(directory, _KILLED_S):
        raise HeadUnavailableError(
            "CHIM714", "the heads' agent does not end", hint=f"see '{directory.log}'"
        )
    return heads


def restart(
    settings: Settings,
    heads: tuple[str, ...],
    *,
    recompute: bool = False,
    timeout_s: float = UP_S,
) -> None:
    """Fence these heads and have new incarnations answer.

    Args:
        settings: where they are.
        heads: which.
        recompute: have each run kernels of its last tickets again.
        timeout_s: for all of them to answer.

    Raises:
        HeadUnavailableError: CHIM714 no agent runs; CHIM716 one does not start;
            CHIM740 its last tickets do not verify.
        UsageError: CHIM206, no such head.
    """
    until = time.monotonic() + timeout_s
    directory = HeadsDirectory(heads_directory(settings))
    state = directory.read()
    if state is None:
        raise HeadUnavailableError(
            "CHIM714", "no heads are up", hint="start them with 'chimera heads up'"
        )
    with _answering(directory, state, until) as control:
        for head in heads:
            frame = {"do": "restart", "head": head, "reason": "asked for", "recompute": recompute}
            control.send(frame)
            answer = control.receive().frame
            if answer["is"] == "error":
                raise error_of(answer["error"])
        before = {head: state.heads[head].incarnation for head in heads}
        _until(control, state, lambda now: _all_newer(now, before), until)


def status(settings: Settings, *, timeout_s: float = 10.0) -> list[dict[str, Any]]:
    """The rows of `chimera.heads/1`.

    Raises:
        UsageError, HeadUnavailableError: as `HeadsDirectory.read`.
    """
    directory = HeadsDirectory(heads_directory(settings))
    answer = ask(directory, {"do": "status"}, timeout_s=timeout_s)
    if answer is None:
        return rows_without_agent(settings.device, directory.incarnations())
    return rows_of_status(answer)


def ask(
    directory: HeadsDirectory, frame: Mapping[str, Any], *, timeout_s: float = 10.0
) -> dict[str, Any] | None:
    """An agent's answer to one request; None when no agent runs.

    Raises:
        ChimeraError: as it answered, or as `HeadsDirectory.read`; WireError.
    """
    state = directory.read()
    if state is None:
        return None
    try:
        with _control(directory, state, time.monotonic() + timeout_s) as control:
            control.send(frame)
            answer = control.receive().frame
    except (OSError, EOFError):
        if directory.read() is None:
            return None  # it ended meanwhile
        raise _no_agent(directory) from None
    if answer["is"] == "error":
        raise error_of(answer["error"])
    return answer


def _start(recipe: Recipe, directory: HeadsDirectory, until: float) -> None:
    try:
        start_agent(recipe, directory.path).wait(max(0.0, until - time.monotonic()))
    except HeadUnavailableError as error:
        if error.code != "CHIM710":  # somebody else was faster: that one will do
            raise


def _starting(directory: HeadsDirectory, until: float) -> State | None:
    """The state of the agent, waited for while it starts; None when none is there."""
    while directory.exists():
        state = directory.read()
        if state is not None or not directory.held():
            return state
        if time.monotonic() > until:
            raise _no_agent(directory)
        time.sleep(0.02)
    return None


def _free(directory: HeadsDirectory, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while directory.held():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def _control(directory: HeadsDirectory, state: State, until: float) -> Iterator[wire.Connection]:
    left = max(0.1, until - time.monotonic())
    with wire.connect(CONTROL, state.secret, directory=directory.path, timeout_s=left) as control:
        control.settimeout(left)
        yield control


@contextmanager
def _answering(directory: HeadsDirectory, state: State, until: float) -> Iterator[wire.Connection]:
    """As `_control`.

    Raises:
        HeadUnavailableError: CHIM714, it does not answer.
    """
    try:
        with _control(directory, state, until) as control:
            yield control
    except (OSError, EOFError):
        raise _no_agent(directory) from None


def _until(control: wire.Connection, state: State, ready: Any, until: float) -> None:
    """Watch until the heads are as they should be.

    Raises:
        HeadUnavailableError: CHIM714, not in time; CHIM716, one is given up.
    """
    control.send({"do": "watch"})
    try:
        while time.monotonic() < until:
            frame = control.receive().frame
            if frame["is"] == "error":
                raise error_of(frame["error"])
            if frame["is"] == "state" and ready(State.from_json(frame["state"], secret=b"")):
                return
    except (OSError, EOFError):
        pass
    raise HeadUnavailableError(
        "CHIM714",
        f"the heads of agent {state.pid} do not answer",
        hint="'chimera heads status' shows which; agent.log in their folder says why",
    )


def _all_answer(state: State) -> bool:
    for head, entry in state.heads.items():
        refusal = entry.refusal(head)
        if refusal is not None:
            raise refusal
    return all(entry.state == "idle" for entry in state.heads.values())


def _all_newer(state: State, before: Mapping[str, int]) -> bool:
    chosen = {head: state.heads[head] for head in before}
    _all_answer(replace(state, heads=chosen))
    return all(e.state == "idle" and e.incarnation > before[h] for h, e in chosen.items())


def _no_agent(directory: HeadsDirectory) -> HeadUnavailableError:
    return HeadUnavailableError(
        "CHIM714",
        f"the agent in '{directory.path}' does not answer",
        hint=f"see '{directory.log}'; 'chimera heads down' ends it",
    )
