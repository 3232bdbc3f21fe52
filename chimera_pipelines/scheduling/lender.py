"""Which AI head lends its session to a feedback block, where heads are processes of an agent.

Asked in the process of a quantum head, in the middle of a kernel. The order is the router's: idle
heads first, those included that the agent would have to start, which happens then; else one that
works, for a session is served beside the works. A head that dies comes back by its agent, and is
waited for while the kernel has time.

On a machine of a cluster only AI heads that run there are asked: others are not this agent's to
start.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.performer import HeadContext
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.heads.state import HeadEntry, State
from chimera_pipelines.heads.warm import ask
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.lending import Lent, Wish
from chimera_pipelines.lifecycle.remote_session import RemoteSession
from chimera_pipelines.sandbox.tiers import Tier
from chimera_pipelines.scheduling.router import PATIENCE_POOR_S, Job, Router
from chimera_pipelines.scheduling.routing import open_router
from chimera_pipelines.settings import Settings

_LOOK_S = 0.05


class AgentLender:
    """See `lending.Lender`.

    Args:
        here: the head that asks.
        settings: of its process.
    """

    def __init__(self, here: HeadContext, settings: Settings) -> None:
        self._here = here
        self._directory = HeadsDirectory(here.directory)
        self._settings = settings

    def lend(self, wish: Wish) -> Lent | None:
        """See `Lender.lend`. Without a sandbox nothing leaves its head unless that is asked for."""
        if wish.spec.tier is Tier.PROCESS and self._settings.sandbox != "process":
            return None
        chosen: str | None = None
        started: set[str] = set()
        router: Router | None = None
        while wish.left() > 0.0:
            state = self._directory.read()
            heads = {} if state is None else self._askable(wish, state)
            if state is None or not heads:
                return None
            if chosen not in heads:
                router = router or self._router(wish)
                chosen = choose(router, wish, heads, self._busy(heads))
            lent = self._connected(wish, state, chosen)
            if lent is not None:
                return lent
            if chosen not in started and not heads[chosen].answers:
                ask(self._directory, {"do": "start", "head": chosen})
                started.add(chosen)
            time.sleep(_LOOK_S)
        raise HeadUnavailableError(
            "CHIM714",
            f"{chosen or 'no AI head'} did not answer while kernel '{wish.kernel.name}' had time",
            hint="see 'chimera heads status'",
        )

    def _askable(self, wish: Wish, state: State) -> dict[str, HeadEntry]:
        """AI heads that run or may be started."""
        own = state.heads.get(self._here.id)
        placed = own is not None and own.remote
        return {
            head: entry
            for head in wish.kernel.feedback_heads
            if (entry := state.heads.get(head)) is not None
            and entry.problem is None
            and (entry.answers or not placed)
        }

    def _busy(self, heads: Mapping[str, HeadEntry]) -> set[str]:
        answer: Mapping[str, Any] = ask(self._directory, {"do": "status"}) or {"heads": {}}
        beats = {head: one.get("beat") or {} for head, one in answer["heads"].items()}
        return {head for head in heads if beats.get(head, {}).get("busy") is True}

    def _router(self, wish: Wish) -> Router:
        ledger = Ledger(self._settings.ledger)
        try:
            draws = f"{wish.run_id}.{wish.kernel.name}"
            return open_router(ledger, self._settings, run_id=draws)
        finally:
            ledger.close()

    def _connected(self, wish: Wish, state: State, head: str) -> Lent | None:
        entry = state.heads[head]
        if not entry.answers:
            return None
        try:
            remote = RemoteHead.at(self._directory.path, head, state)
        except HeadUnavailableError:
            return None  # it has just died, or still comes up
        return Lent(RemoteSession(remote, wish.spec), head, entry.incarnation)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What a router is asked: as one job that just came, then as one that waited long."""

    router: Router
    job: Job
    cold: frozenset[str]

    def of(self, idle: list[str], busy: set[str]) -> str | None:
        found = self.router.choose([self.job], idle, busy=busy, cold=self.cold)
        return None if found is None else found[1]


def choose(router: Router, wish: Wish, heads: Mapping[str, HeadEntry], busy: set[str]) -> str:
    """The head to ask: an idle one by the router's order, else one that works.

    Raises:
        NoHeadError: CHIM731, none may run a critical kernel.
    """
    kernel = wish.kernel
    job = Job(
        f"{kernel.name}.feedback",
        kernel.name,
        tuple(heads),
        critical=kernel.critical,
        tags=("pytorch",),
        avoid=wish.avoid,
    )
    choice = _Choice(router, job, frozenset(h for h, entry in heads.items() if not entry.answers))
    idle = [head for head in heads if head not in busy]
    found = choice.of(idle, busy) or choice.of(sorted(busy), set())
    if found is not None:
        return found
    # Only heads that the router would rather let rest: the loop must not wait for better ones.
    patient = replace(job, since=-2.0 * PATIENCE_POOR_S)
    allowed = router.willing(patient, set(heads), now=0.0) or router.allowed(job) or tuple(heads)
    return allowed[0]
