"""The regenerator of our doors: states from the ring, tickets from the ledger and the Histories.

Named on the agent's command line as `regeneration=chimera_pipelines.scheduling.regeneration:
Regeneration`. It is made in every new process of a head and used once: where the process replaces
another one it brings the registers of runs that go on back into the bank and verifies the last
tickets; and it records the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.heads.performer import HeadContext
from chimera_pipelines.heads.regeneration import Saved, bring_back
from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline
from chimera_pipelines.ledger.evidence import REGENERATION, START, HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.replay import Replay, replay
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.tallying import tally
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateRef
from chimera_pipelines.settings import settings
from chimera_pipelines.tickets import providers

PERFORMERS: Mapping[str, str] = {
    "regeneration": "chimera_pipelines.scheduling.regeneration:Regeneration"
}
"""What a door adds to the performers that it names."""

REGISTER = "register"


def before_fork() -> None:
    """Read the settings, and let the libraries of the ledger and of signatures load their parts.

    A new process then spends its time on what it has to verify.
    """
    settings()
    ledger = Ledger("sqlite://")
    try:
        ledger.last_tickets("HEAD_1", 1)
    finally:
        ledger.close()
    algorithm = providers.DEFAULT_ALGORITHM
    providers.verify(algorithm, providers.public_key(algorithm, bytes(32)), b"", bytes(3309))


class Regeneration:
    """See `heads.regeneration.Regenerator`."""

    def __init__(self, here: HeadContext) -> None:
        self._here = here
        self._services = Services(settings(), here=here)
        self._replayed = Replay(here.id)

    def regenerate(self, watch: Stopwatch) -> None:
        """Bring back registers and verify the last tickets.

        Raises:
            HeadUnavailableError: CHIM740, a ticket does not verify.
        """
        if self._here.kind == "quantum":
            bring_back(self._here.head, RunningStates(self._services, self._here.id), watch)
        with watch.stage(Stage.VERIFY):
            self._verify(watch)

    def record(self, timeline: Timeline) -> None:
        """Keep the timeline in the ledger."""
        ledger, found = self._services.ledger, self._replayed
        ledger.record_head_event(event_of(timeline, self._here.agent))
        tally(ledger, "ticket_verifications", found.verified, result="ok")
        tally(ledger, "ticket_verifications", len(found.problems), result="failed")
        self._services.close()

    def _verify(self, watch: Stopwatch) -> None:
        services, before = self._services, self._here.before
        recompute = None
        if services.settings.recompute or (before is not None and before.recompute):
            from chimera_pipelines.scheduling.recompute import KernelAgain

            recompute = KernelAgain(services)
        found = replay(
            self._here.id,
            services.ledger,
            services.keys.ring,
            services.settings.root,
            recompute=recompute,
        )
        self._replayed = found
        watch.note(tickets=found.verified, recomputed=found.recomputed)
        if found.error is not None:
            raise found.error


class RunningStates:
    """The saved registers of one head whose runs have not ended."""

    def __init__(self, services: Services, head: str) -> None:
        self._services = services
        self._store: StateStore = services.states
        self._head = head

    def live(self) -> list[StateRef]:
        """The newest generation of each register, newest run first."""
        newest: dict[Any, StateRef] = {}
        for ref in self._store.states():
            if ref.head != self._head:
                continue
            known = newest.get(ref.key)
            if known is None or known.generation < ref.generation:
                newest[ref.key] = ref
        mine = [ref for key, ref in newest.items() if key.name == REGISTER]
        running = {run: self._runs(run) for run in {ref.key.run for ref in mine}}
        mine.sort(key=lambda ref: ref.key.run, reverse=True)
        return [ref for ref in mine if running[ref.key.run]]

    def load(self, state: Saved, timing: dict[str, float]) -> memoryview:
        """See `heads.regeneration.States.load`."""
        return self._store.load(state.id, timing=timing)

    def _runs(self, run: str) -> bool:
        return all(s.status == "started" for s in self._services.ledger.run_states(run))


def event_of(timeline: Timeline, agent: str) -> HeadEvent:
    """The row of `head_events` that a timeline is."""
    detail: dict[str, JSONValue] = timeline.as_json()
    if timeline.reason.startswith("restart"):
        # Who asks for another process says nothing against the one before it.
        detail = {**detail, "reason": "restart", "why": timeline.reason}
    kind = START if timeline.old is None else REGENERATION
    return HeadEvent(timeline.head, timeline.new, agent, kind, detail)
