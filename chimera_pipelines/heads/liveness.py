"""Whether a silent head is dead, hangs, or only works.

A head beats every `BEAT_S` from a thread of its own. Code that holds the GIL keeps that thread from
beating, and a loaded machine delays it, so silence alone proves nothing. Silence and a stopped
process do, and so do silence and a process that sleeps and uses hardly any processor time for
`HANG_S`. Not none: where a thread sleeps with the GIL held, each other thread asks for the GIL two
hundred times a second, which took 0.3 % of a processor each. A process that computes is never taken
for one that hangs.

An exit is not found here: the kernel tells the agent of it. Nor is a head that lives and never
comes to its first work: that has the limits `START_S` and `RECOMPUTE_S`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chimera_pipelines.heads.proc import ProcessLook

BEAT_S = 0.1
SILENT_S = 0.3
STOPPED_S = 0.2
HANG_S = 10.0
IDLE_TICKS_S = 5  # of a hundred
PAUSED_S = 2.0
START_S = 300.0
"""From the fork to the first work: a device that opens, states that are rebuilt."""
RECOMPUTE_S = 3600.0
"""The same where a hundred kernels run again, each as long as it takes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A head that will not answer any more.

    Attributes:
        seconds: since its last sign of life.
        stopped: by a signal or a debugger; else it hangs.
    """

    reason: str
    seconds: float
    stopped: bool


@dataclass(slots=True)
class Pulse:
    """Signs of life of one process; times are monotonic seconds, given by the caller."""

    beaten: float
    _looked: float = field(default=0.0)
    _stopped: float | None = None
    _sleeps: float | None = None
    _ticks: int = 0

    def beat(self, now: float) -> None:
        """It beat."""
        self.beaten = now
        self._stopped = self._sleeps = None

    def judge(self, now: float, look: Callable[[], ProcessLook | None]) -> Finding | None:
        """What is wrong with it, or None; asked several times a second, after beats were read.

        The caller may itself have been stopped meanwhile, and its looks be far apart: then what
        was seen before says nothing.
        """
        if now - self._looked > PAUSED_S:
            self._stopped = self._sleeps = None
        self._looked = now
        if now - self.beaten < SILENT_S:
            return None
        found = look()
        if found is None:
            return None
        self._note(now, found)
        silent = now - self.beaten
        if self._stopped is not None and now - self._stopped >= STOPPED_S:
            return Finding("stopped (SIGSTOP)", silent, stopped=True)
        if self._sleeps is not None and now - self._sleeps >= HANG_S:
            return Finding(f"no sign of life for {silent:.1f} s", silent, stopped=False)
        return None

    def _note(self, now: float, found: ProcessLook) -> None:
        if found.state not in "Tt":
            self._stopped = None
        elif self._stopped is None:
            self._stopped = now
        computes = self._sleeps is not None and found.ticks - self._ticks > IDLE_TICKS_S * max(
            1.0, now - self._sleeps
        )
        if found.state != "S" or computes:
            self._sleeps = None
        elif self._sleeps is None:
            self._sleeps, self._ticks = now, found.ticks
