"""Which waiting dispatch goes to which head.

Decided at the last moment by the scheduler's router, with all that waits and every head in view:
idle ones, busy ones, and those that would have to be started first. A dispatch whose kernel has
registers on a head goes to that head when it is free; one that failed on a head goes to another.
"""

import time
from collections.abc import Collection, Sequence

from chimera_pipelines.defs.executor.chains import Dispatch, kernel_of
from chimera_pipelines.heads.fleet_events import Death
from chimera_pipelines.scheduling.losses import hopeless
from chimera_pipelines.scheduling.router import Job, NoHeadError, Router


class Dispatching:
    """The queue, and who does what. Nothing here talks to a head.

    Attributes:
        waiting: dispatches without a head.
        running: dispatches by the head that has them, or gets them as soon as it is up.
        heads: those that there are; one that was given up is taken out.
        lost: those that were given up, and how.
    """

    def __init__(self, router: Router, heads: Collection[str]) -> None:
        self.waiting: list[Dispatch] = []
        self.running: dict[str, Dispatch] = {}
        self.heads = list(heads)
        self.lost: dict[str, Death] = {}
        self._router = router
        self._holders: dict[str, str] = {}
        self._failed_on: dict[str, list[str]] = {}

    def pick(
        self, idle: Sequence[str], followed: Collection[str], warm: Collection[str]
    ) -> tuple[Dispatch, str] | None:
        """A dispatch and the head to send it to; None while all have to wait.

        Args:
            idle: heads that answer and do nothing.
            followed: heads that answer, or are being connected to; of others only the agent knows.
            warm: heads that have a process.

        Raises:
            NoHeadError: CHIM714, CHIM730, CHIM731, CHIM762: no head will ever run one of them; its
                `job.key` is the dispatch's id.
        """
        self._refuse_hopeless()
        others = [head for head in self.heads if head not in followed]
        cold = [head for head in others if head not in warm]
        free = [head for head in (*idle, *others) if head not in self.running]
        if not free or not self.waiting:
            return None
        jobs = {work.id: self._job(work) for work in self.waiting}
        busy = [head for head in self.heads if head not in free]
        found = self._router.choose(
            tuple(jobs.values()), free, busy=busy, cold=cold, now=time.monotonic()
        )
        if found is None:
            return None
        return self.waiting_by(found[0].key), found[1]

    def waiting_by(self, name: str) -> Dispatch:
        """The waiting dispatch of that id."""
        return next(work for work in self.waiting if work.id == name)

    def assign(self, work: Dispatch, head: str) -> None:
        """The head gets it."""
        self.waiting.remove(work)
        self.running[head] = work
        work.todo, work.sent = work.keys[:], False
        if kernel := kernel_of(work.keys[0]):
            self._holders[kernel] = head

    def unassign(self, head: str) -> None:
        """The head was gone before it had it."""
        self.waiting.insert(0, self.running.pop(head))

    def forget_registers(self, head: str) -> None:
        """The head died, and what it held with it."""
        self._holders = {kernel: h for kernel, h in self._holders.items() if h != head}

    def failed(self, key: str, head: str) -> None:
        """An attempt of a step failed, through no death: the next one keeps away from its head.

        Args:
            key: of the step; a kernel's attempts are counted over all of its phases.
            head: where it ran; empty when that is not known.
        """
        self._failed_on.setdefault(kernel_of(key) or key, []).append(head)
        if self._holders.get(kernel_of(key)) == head:
            del self._holders[kernel_of(key)]

    def give_up(self, death: Death) -> None:
        """A head does not come back; may be told more than once."""
        self.lost[death.head] = death
        self.heads = [other for other in self.heads if other != death.head]

    def came_back(self, head: str) -> None:
        """The head answers: one that was given up, and then restarted by hand, gets work again."""
        self.lost.pop(head, None)
        self.heads = sorted({*self.heads, head})

    def _refuse_hopeless(self) -> None:
        for work in self.waiting:
            job = self._job(work)
            error = hopeless(job.kernel, work.heads, self.lost)
            if error is not None:
                raise NoHeadError(error.code, error.message, job=job, hint=error.hint or "")

    def _job(self, work: Dispatch) -> Job:
        kernel = kernel_of(work.keys[0])
        failed_on = self._failed_on.get(kernel or work.keys[0], [])
        return Job(
            key=work.id,
            kernel=work.kernel or kernel or work.keys[0],
            heads=tuple(head for head in work.heads if head in self.heads),
            critical=work.critical,
            holder=self._holders.get(kernel),
            since=work.since,
            first=work.first,
            work=work.work,
            tags=work.tags,
            attempt=1 + len(failed_on),
            avoid=tuple(failed_on),
        )
