"""What the process of a head does before its first work: bring back what the one before it held.

A register that the dead incarnation had saved comes back into the bank under its content id, so
that the interrupted kernel finds it and goes on where it was. It is a *spare* there: the bank drops
it as soon as a new register needs the room, because the state store has it still and whoever wants
it may load it again. What cannot be brought back (too many shares are lost, no room) is left where
it is; the kernel then computes it again.

Where states lie and how tickets are verified is for a `Regenerator` to know, which a door names on
the agent's command line as it names performers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.performer import HeadContext, Predecessor
from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline

REGENERATION = "regeneration"
"""Name among the performers of a door's `Regenerator`; nobody can give it work."""

OUT_OF_SERVICE = 76
"""Exit code of a head that must not work: its last tickets do not verify (CHIM740)."""

_log = logging.getLogger(__name__)


class Saved(Protocol):
    """A register that was saved: `ring.state_records.StateRef` is one."""

    @property
    def id(self) -> str:
        """Content id of its snapshot."""

    @property
    def bytes(self) -> int:
        """Size of its snapshot."""


class States(Protocol):
    """Where a head's registers are saved."""

    def live(self) -> Sequence[Saved]:
        """The registers that runs still need, newest first."""
        ...

    def load(self, state: Saved, timing: dict[str, float]) -> bytes | memoryview:
        """The snapshot of one; `timing` gets the seconds of `gather`, `rebuild` and `decrypt`.

        Raises:
            CheckpointError: too many of its shares are lost.
        """
        ...


class Regenerator(Protocol):
    """What a door lets a head do at its start. One object a process, made in its main thread."""

    def __init__(self, here: HeadContext) -> None:
        """Called after the fork."""
        ...

    def regenerate(self, watch: Stopwatch) -> None:
        """Bring back states and verify tickets; only where there was an incarnation before.

        Raises:
            HeadUnavailableError: CHIM740, the head must not work.
        """
        ...

    def record(self, timeline: Timeline) -> None:
        """Keep the timeline of a start or a regeneration; called from any thread."""
        ...


def begin(here: HeadContext, *, now: float) -> Stopwatch:
    """The timeline as far as the agent measured it, and the start of this process.

    Args:
        here: this head; `here.before` is whom it replaces.
        now: `time.monotonic()`, one clock for all processes of a machine.
    """
    before = here.before
    if before is None:
        return Stopwatch(Timeline(here.id, None, here.incarnation, "started"))
    timeline = Timeline(here.id, before.incarnation, here.incarnation, before.reason)
    return Stopwatch(_of_agent(timeline, before, now))


def _of_agent(timeline: Timeline, before: Predecessor, now: float) -> Timeline:
    timeline = timeline.after(Stage.DETECT, before.detect_s).after(Stage.FENCE, before.fence_s)
    if before.fenced_at is None:
        return timeline
    return timeline.after(Stage.START, now - before.fenced_at)


def regenerate(
    here: HeadContext, regenerator: Regenerator | None, *, now: Callable[[], float] = time.monotonic
) -> Timeline:
    """All that comes before the first work; a problem of it stands in the timeline.

    Without a `problem` the head may work. Only one that speaks against the head keeps it from that:
    what else goes wrong here (a store that cannot be read, a full disk) is logged.
    """
    watch = begin(here, now=now())
    if regenerator is None or here.before is None:
        return watch.timeline
    try:
        regenerator.regenerate(watch)
    except ChimeraError as error:
        if error.code == "CHIM740":
            watch.note(problem={"code": error.code, "message": str(error)})
        else:
            _log.warning("%s comes back without its states: %s", here.id, error)
    except Exception:  # noqa: BLE001 - of a door; a head without its states is better than none
        _log.exception("%s comes back without its states", here.id)
    return watch.timeline


def bring_back(head: LocalHead, states: States, watch: Stopwatch) -> None:
    """Load what was saved of a head's registers into its bank, as spares."""
    with watch.stage(Stage.GATHER):
        live = states.live()
    for state in live:
        if state.bytes > head.bank.free:
            _log.info("%s has no room for state %s of %d bytes", head.id, state.id, state.bytes)
            continue
        timing: dict[str, float] = {}
        try:
            data = states.load(state, timing)
            with watch.stage(Stage.DECRYPT):
                head.restore_spare(state.id, data)
        except ChimeraError as error:
            _log.warning("%s cannot bring state %s back: %s", head.id, state.id, error)
            continue
        finally:
            watch.add(timing)
        done = watch.timeline
        watch.note(states=done.states + 1, state_bytes=done.state_bytes + state.bytes)
