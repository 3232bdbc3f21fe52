"""Which waiting kernel goes to which head now, and which heads are to be started for the rest.

A kernel is given to a head that answers and is idle, when it starts, and to none before. Heads are
started for kernels that would otherwise wait: a plan of one kernel after the other starts one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.heads.state import HeadEntry
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling import losses
from chimera_pipelines.scheduling.attempt import Attempt
from chimera_pipelines.scheduling.router import Job, Router


class Heads(Protocol):
    """What is needed of a `heads.fleet.Fleet`."""

    def require(self, *heads: str) -> None:
        """Have heads started and followed."""

    def idle(self) -> list[str]:
        """Heads that answer and do nothing."""

    def up(self) -> list[str]:
        """Heads that answer."""

    def entries(self) -> Mapping[str, HeadEntry]:
        """What the agent says of all heads."""

    def perform(
        self,
        head: str,
        work: str,
        performer: str,
        payload: Mapping[str, Any],
        *,
        run: str = "",
        orphan: Any = "finish",
    ) -> bool:
        """Give a head work."""

    def cancel(self, head: str, work_or_run: str, reason: str = "") -> None:
        """Have a work cancelled."""

    def fault(self, head: str, reason: str) -> None:
        """Have a head replaced."""

    def fence(self, heads: Collection[str], reason: str) -> set[str]:
        """See that what heads do ends; those of which that is known."""

    def close(self) -> None:
        """Stop following."""


class Placing:
    """Chooses heads for kernels.

    Args:
        heads: of the agent.
        router: chooses among those that could.
        required: heads that are being started already.
        clock: monotonic seconds, that of `Attempt.since`.

    Attributes:
        lost: heads that will not come back, and how they were lost.
    """

    def __init__(
        self,
        heads: Heads,
        router: Router,
        required: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._heads = heads
        self._clock = clock
        self._router = router
        self._required = set(required)
        self._silent: set[str] = set()
        self._preparing: set[str] = set()
        self.lost: dict[str, Death] = {}

    def changed(self, head: str) -> None:
        """A head came, or went: give it work again."""
        self._silent.discard(head)
        self._preparing.discard(head)

    def silent(self, head: str) -> None:
        """A head did not take its work: it is about to be told of as down."""
        self._silent.add(head)

    def preparing(self, head: str) -> None:
        """A head gets ready for a kernel, which is soon done: it may be given one meanwhile."""
        self._preparing.add(head)

    def prepared(self, head: str) -> None:
        """A head is ready, or was given a kernel."""
        self._preparing.discard(head)

    def next(self, waiting: Sequence[Attempt]) -> tuple[Attempt, str] | None:
        """A kernel and the idle head that it goes to now; None when all have to wait.

        Raises:
            NoHeadError: no head will ever run one of them (`error.job.key` is its name).
        """
        if not waiting:
            return None
        up, free = self._heads.up(), {*self._heads.idle(), *self._preparing}
        idle = [head for head in up if head in free and head not in self._silent]
        busy = [head for head in up if head not in idle]
        jobs = [self._job(attempt) for attempt in waiting]
        found = self._router.choose(jobs, idle, busy=busy, now=self._clock())
        if found is None:
            return None
        job, head = found
        return next(attempt for attempt in waiting if attempt.kernel.name == job.key), head

    def start_for(self, kernels: Sequence[KernelSpec], attempts: Sequence[Attempt] = ()) -> None:
        """Have heads started for kernels for which none is up or coming.

        Args:
            kernels: will be ready soon: a head that is up, busy or not, will do.
            attempts: wait now: one that could take them is started, unless one is on its way.
        """
        up = set(self._heads.up())
        coming = self._required - up - self.lost.keys()
        for attempt in attempts:
            allowed = self._router.allowed(self._job(attempt))
            self._start_one(allowed, coming, enough=coming)
        for kernel in kernels:
            self._start_one(kernel.heads, coming, enough=coming | up)

    def _start_one(
        self, heads: Sequence[str], coming: set[str], *, enough: Collection[str]
    ) -> None:
        """Start the first head that can be, unless one of `enough` serves; claim it."""
        there = next((head for head in heads if head in enough), None)
        if there is not None:
            coming.discard(there)
            return
        cold = [head for head in heads if head not in self._required and head not in self.lost]
        if cold:
            self.require(cold[0])

    def require(self, head: str) -> None:
        """Have a head started."""
        self._required.add(head)
        self._heads.require(head)

    def target(self, kernel: KernelSpec) -> str | None:
        """An idle head that a kernel will probably go to."""
        idle = set(self._heads.idle()) - self._preparing - self._silent
        return next((head for head in kernel.heads if head in idle), None)

    def hopeless(self, attempt: Attempt) -> HeadUnavailableError | None:
        """Why no head will ever run it, when all that may are lost."""
        return losses.hopeless(attempt.kernel.name, attempt.kernel.heads, self.lost)

    def waits_for(self, attempt: Attempt) -> str:
        """What a kernel waits for, as far as is known."""
        up, entries = self._heads.up(), self._heads.entries()
        said = []
        for head in attempt.kernel.heads:
            entry = entries.get(head)
            state = "busy" if head in up else "starting" if entry is None else entry.state
            said.append(f"{head} ({state})")
        return ", ".join(said)

    @staticmethod
    def _job(attempt: Attempt) -> Job:
        kernel = attempt.kernel
        return Job(
            kernel.name,
            kernel.name,
            kernel.heads,
            critical=kernel.critical,
            since=attempt.since,
            first=attempt.again,
            work=kernel.work,
            tags=kernel.head_tags,
            attempt=attempt.number,
            avoid=attempt.avoid,
        )
