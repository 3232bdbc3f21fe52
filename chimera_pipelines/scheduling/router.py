"""Which head runs a kernel: by kind and pin at compile time, by reputation when it is dispatched.

At compile time (`candidates`, `spread`) a kernel gets the heads that may run it. When heads are
free, `Router.choose` says which waiting job goes to which of them:

* *Job*: those that waited too long before all others, then those that must go first (a kernel that
  a death interrupted), then those whose registers lie on a head that is free, then the oldest.
* *Head*: the one that holds the job's registers, if it is free. Else one draw from each free head's
  beta distribution, times its speed at that kind of work, uptime and error rate; the highest wins
  (Thompson sampling). A share of work by weight would send a bad head its share for ever; this way
  a head gets work as often as it may be the best, as far as is known.
* A *poor* head (reputation at the threshold or below) gets a job when nothing better is up, or when
  the job waited long enough. Slower heads are never held back: in simulations it cost more than it
  saved (docs/benchmarks.md).

Nothing starves. Each choice on one of a job's heads that goes to another job counts; after
`PATIENCE` of them the job goes before all that came later, and poor heads will do. So it is chosen
at the latest after `PATIENCE` choices and as many as there were older jobs before it, on heads that
may run it. The same calls under the same seed give the same choices: the router has no clock.

Reputations are read again every few seconds of the caller's clock, and when a critical kernel comes
for another attempt: the head that failed it is degraded by then.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.lifecycle.spec import HeadKind, KernelSpec
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.speeds import relative_speeds
from chimera_pipelines.settings import HEAD_IDS

THRESHOLD = 0.5
PATIENCE = 16
REFRESH_S = 5.0
# A job waits for a better head than the free ones while that is given away so often, or so long.
PATIENCE_POOR = 3
PATIENCE_POOR_S = 10.0
# A head that was away for the whole last hour may have been started by nobody.
_LEAST = 0.1
# Starting a process costs more than most steps: a head that runs already is preferred.
_COLD = 0.25

KIND_OF_HEAD: dict[str, HeadKind] = {
    "HEAD_1": "quantum",
    "HEAD_2": "quantum",
    "HEAD_3": "ai",
    "HEAD_4": "ai",
}
_KIND_OF_TAG: dict[str, HeadKind] = {"qiskit": "quantum", "pytorch": "ai"}


def candidates(tags: Sequence[str], language: str) -> tuple[str, ...]:
    """Heads for which all tags hold (MAML.md §3, head), in ascending order.

    A block that asks for no kind may run on any head; it goes to AI heads, and circuits to quantum
    ones, since only those evolve registers.
    """
    pins = [tag for tag in tags if tag in KIND_OF_HEAD]
    kinds = {_KIND_OF_TAG[tag] for tag in tags if tag in _KIND_OF_TAG}
    if language in ("qiskit", "qasm"):
        kinds.add("quantum")
    elif not kinds and not pins:
        kinds.add("ai")
    heads = pins or list(KIND_OF_HEAD)
    return tuple(head for head in sorted(heads) if all(KIND_OF_HEAD[head] == k for k in kinds))


def spread(
    options: Mapping[str, tuple[str, ...]], levels: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Rotate each kernel's candidates so that kernels of one level start on different heads.

    Args:
        options: candidates by kernel, kernels in document order.
        levels: topological level by kernel.
    """
    used: dict[tuple[int, tuple[str, ...]], int] = {}
    rotated: dict[str, tuple[str, ...]] = {}
    for kernel, heads in options.items():
        turn = used.get((levels[kernel], heads), 0)
        used[levels[kernel], heads] = turn + 1
        at = turn % len(heads) if heads else 0
        rotated[kernel] = heads[at:] + heads[:at]
    return rotated


@dataclass(frozen=True, slots=True)
class Job:
    """A kernel, or a phase of one, that waits for a head.

    Attributes:
        key: identifies it while it waits.
        kernel: name, for messages.
        heads: ids of heads that may run it (`KernelSpec.heads`).
        critical: only heads above the threshold, and no retry on a degraded one (MAML.md §3).
        holder: the head that holds its registers, or None.
        since: when it began to wait, by the caller's clock; only the order counts.
        first: goes before others: a death interrupted it.
        work: kind of work, as in readings; empty when unknown.
        tags: head tags of the kernel, for messages.
        attempt: 1 for the first.
        avoid: heads that failed it; others are taken while there are any.
    """

    key: str
    kernel: str
    heads: tuple[str, ...]
    critical: bool = False
    holder: str | None = None
    since: float = 0.0
    first: bool = False
    work: str = ""
    tags: tuple[str, ...] = ()
    attempt: int = 1
    avoid: tuple[str, ...] = ()


def job_of(kernel: KernelSpec, *, key: str = "", since: float = 0.0) -> Job:
    """The job of a kernel; `dataclasses.replace` it for a retry or an interrupted one."""
    return Job(
        key or kernel.name,
        kernel.name,
        kernel.heads,
        critical=kernel.critical,
        since=since,
        work=kernel.work,
        tags=kernel.head_tags,
    )


class NoHeadError(HeadUnavailableError):
    """No head will ever run a job as things are: CHIM730 or CHIM731.

    Attributes:
        job: the one.
    """

    def __init__(self, code: str, message: str, *, job: Job, hint: str) -> None:
        super().__init__(code, message, hint=hint)
        self.job = job


class Router:
    """Gives free heads to waiting jobs. Not safe from several threads at once.

    Args:
        reputations: of the heads that exist here; none: four new heads.
        seed: of the draws.
        threshold: reputation that a critical kernel's head must exceed.
        refresh: reads newer reputations; it must not raise.
    """

    def __init__(
        self,
        reputations: Mapping[str, Reputation] | None = None,
        seed: int = 0,
        threshold: float = THRESHOLD,
        refresh: Callable[[], Mapping[str, Reputation]] | None = None,
    ) -> None:
        self.threshold = threshold
        self._refresh = refresh
        self._read_at: float | None = None
        self._random = random.Random(seed)  # noqa: S311 - fair, not secret
        self._given: Counter[str] = Counter()
        self._entered: dict[str, int] = {}
        self._speeds: dict[tuple[str, ...], dict[str, float]] = {}
        self.reputations: dict[str, Reputation] = {}
        self.update(reputations or {head: Reputation(head) for head in HEAD_IDS})

    def update(self, reputations: Mapping[str, Reputation]) -> None:
        """Go on with newer reputations; heads that are not named keep theirs."""
        self.reputations.update(reputations)
        self._speeds.clear()

    def choose(
        self,
        waiting: Sequence[Job],
        idle: Sequence[str],
        *,
        busy: Collection[str] = (),
        cold: Collection[str] = (),
        now: float | None = None,
    ) -> tuple[Job, str] | None:
        """The next job to start and its head; None while all have to wait.

        Call it again until it gives None, and whenever a head becomes idle, dies or comes back, or
        a job begins to wait.

        Args:
            waiting: every job that could start now.
            idle: heads that are free; those that would have to be started first count.
            busy: heads that will be free again.
            cold: heads of `idle` without a process.
            now: by the clock of `Job.since`; None: jobs grow old by choices alone.

        Raises:
            NoHeadError: CHIM730 no head here can run one of the jobs, CHIM731 none may run a
                critical one. Fail it, and go on with the others.
        """
        self._read_again(waiting, now)
        for job in waiting:
            self.require(job)
        self._enter(waiting)
        free = frozenset(idle)
        able = (job for job in waiting if not free.isdisjoint(job.heads))
        for job in sorted(able, key=lambda job: self._rank(job, free)):
            heads = self.willing(job, free, busy, now)
            if heads:
                return self._give(job, self._draw(job, heads, cold))
        return None

    def _read_again(self, waiting: Sequence[Job], now: float | None) -> None:
        if self._refresh is None or now is None:
            return
        retried = any(
            job.critical and job.attempt > 1 and job.key not in self._entered for job in waiting
        )
        old = self._read_at is not None and now - self._read_at >= REFRESH_S
        if self._read_at is None or old or retried:
            self._read_at = now
        if old or retried:
            self.update(self._refresh())

    def require(self, job: Job) -> None:
        """Refuse a job that no head will run.

        Raises:
            NoHeadError: CHIM730, CHIM731.
        """
        tags = ", ".join(job.tags) or "none"
        if not any(head in self.reputations for head in job.heads):
            asked = ", ".join(job.heads) or "no head"
            raise NoHeadError(
                "CHIM730",
                f"no head can run kernel '{job.kernel}': its tags ({tags}) fit {asked}, "
                f"and there are {', '.join(self.reputations)}",
                job=job,
                hint=f"chimera heads explain '{job.kernel}'",
            )
        if not self.allowed(job):
            means = ", ".join(
                f"{head} {self.reputations[head].mean:.2f}"
                for head in job.heads
                if head in self.reputations
            )
            again = " and not degraded" if job.attempt > 1 else ""
            raise NoHeadError(
                "CHIM731",
                f"no head may run critical kernel '{job.kernel}': reputation must be above "
                f"{self.threshold:g}{again}, and there are {means}",
                job=job,
                hint="reputation comes back with good kernels and with time; "
                "see 'chimera heads history', or set CHIMERA_CRITICAL_REPUTATION",
            )

    def allowed(self, job: Job) -> tuple[str, ...]:
        """The heads that may run a job, whether they are free or not."""
        known = [head for head in job.heads if head in self.reputations]
        if job.critical:
            known = [head for head in known if self._is_trusted(head, job)]
        fresh = [head for head in known if head not in job.avoid]
        return tuple(fresh or known)

    def _is_trusted(self, head: str, job: Job) -> bool:
        found = self.reputations[head]
        return found.mean > self.threshold and not (job.attempt > 1 and found.degraded)

    def promise(self, head: str, job: Job) -> float:
        """Expected good work a second, relative to the fastest head: what a head is worth."""
        return self.reputations[head].mean * self.factor(head, job)

    def factor(self, head: str, job: Job) -> float:
        """What stands beside a head's reputation: speed, uptime and recent errors."""
        found = self.reputations[head]
        return self.speed(head, job) * max(_LEAST, found.uptime) * (1.0 - found.error_rate)

    def speed(self, head: str, job: Job) -> float:
        """A head's speed at a job's kind of work, 1 for the fastest that may run it."""
        group = (job.work, *sorted(set(job.heads)))
        if group not in self._speeds:
            known = [self.reputations[one] for one in group[1:] if one in self.reputations]
            self._speeds[group] = relative_speeds(known, job.work)
        return self._speeds[group].get(head, 1.0)

    def _enter(self, waiting: Iterable[Job]) -> None:
        """Remember when jobs came, and forget those that are gone."""
        self._entered = {job.key: self._entered.get(job.key, self._choices(job)) for job in waiting}

    def _choices(self, job: Job) -> int:
        return sum(self._given[head] for head in set(job.heads))

    def passed(self, job: Job) -> int:
        """How often a head that may run a job was given to another while it waited."""
        return self._choices(job) - self._entered.get(job.key, self._choices(job))

    def _rank(self, job: Job, free: frozenset[str]) -> tuple[bool, bool, bool, float, str]:
        if self.passed(job) >= PATIENCE:
            return (False, False, False, job.since, job.key)
        return (True, not job.first, job.holder not in free, job.since, job.key)

    def willing(
        self,
        job: Job,
        free: Collection[str],
        busy: Collection[str] = (),
        now: float | None = None,
    ) -> list[str]:
        """The free heads that may run a job, less those that it better waits to avoid."""
        allowed = self.allowed(job)
        heads = [head for head in allowed if head in free]
        if job.holder in heads:
            return [job.holder]
        old = now is not None and now - job.since > PATIENCE_POOR_S
        if old or self.passed(job) >= PATIENCE_POOR:
            return heads
        up = [head for head in allowed if head in free or head in busy]
        sound = [head for head in up if self.reputations[head].mean > self.threshold]
        return [head for head in sound or up if head in free]

    def _draw(self, job: Job, heads: Sequence[str], cold: Collection[str]) -> str:
        if len(heads) == 1:
            return heads[0]
        drawn = {}
        for head in heads:
            found = self.reputations[head]
            chance = self._random.betavariate(found.alpha, found.beta)
            drawn[head] = chance * self.factor(head, job) * (_COLD if head in cold else 1.0)
        return max(drawn, key=drawn.__getitem__)

    def _give(self, job: Job, head: str) -> tuple[Job, str]:
        del self._entered[job.key]
        self._given[head] += 1
        return job, head
