"""The threads of a fleet: one follows the agent, one each head through its incarnations.

The agent tells of every incarnation that begins and ends; a head tells what it does. Whatever goes
wrong in a thread is told as `broken`: one that ended silently would hang the run.

Nothing is waited for without a limit. Who starts an agent gives up by itself, and so does an agent
that starts a head; a head for which nobody does anything, be its agent stopped, is given up here.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.agent_link import AgentLink
from chimera_pipelines.heads.attach import START_S, AgentHandle
from chimera_pipelines.heads.error_frames import error_json, error_of
from chimera_pipelines.heads.fencing import Fencing
from chimera_pipelines.heads.fleet_events import Adopted, Death, FleetEvents, Incarnation
from chimera_pipelines.heads.frames import Message, WireError
from chimera_pipelines.heads.head_link import HeadLink
from chimera_pipelines.heads.state import HeadEntry, State
from chimera_pipelines.heads.tls import Tls
from chimera_pipelines.settings import settings

# The agent of another machine may take as long as an agent may, and its heads come after it.
NO_HEADS_S = START_S + 30.0
_ANSWER_S = 10.0
_DEATH_S = 2.0
_LOOK_S = 0.5
_SILENT_S = 10.0


class Following:
    """What a fleet knows, and the threads that keep it so.

    Attributes:
        lock: held while events are told; hold it to see a state that does not change.
    """

    def __init__(self, agent: AgentHandle, events: FleetEvents) -> None:
        self.lock = threading.RLock()
        self._events = events
        self._changed = threading.Condition(self.lock)
        self._links: dict[str, HeadLink] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._required: set[str] = set()
        self._given_up: set[str] = set()
        self._adopted: dict[str, list[Adopted]] = {}
        self._ended: set[str] = set()
        self._missed: dict[str, float] = {}
        self._closing = False
        self._broken = False
        self._agent = AgentLink(agent, self._agent_changed)
        self._fencing = Fencing(self._changed, self._agent, lambda: self._closing or self._broken)
        self._start_thread("agent", self._follow_agent)

    def _start_thread(self, name: str, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(
            target=self._guarded, args=(target, *arguments), name=f"fleet-{name}", daemon=True
        )
        self._threads[name] = thread
        thread.start()

    def _guarded(self, target: Any, *arguments: Any) -> None:
        """Run a thread; an error that ends it is told."""
        try:
            target(*arguments)
        except ChimeraError as error:
            self._break(error)
        except Exception as error:  # noqa: BLE001 - the events get it
            self._break(error_of(error_json(error)))

    def _break(self, error: ChimeraError) -> None:
        with self._changed:
            if not self._broken and not self._closing:
                self._broken = True
                self._events.broken(error)
            self._changed.notify_all()

    # The agent.

    def _follow_agent(self) -> None:
        while not self._closing:
            try:
                self._agent.listen()
            except (EOFError, OSError, WireError) as error:
                if isinstance(error, WireError) and error.code == "CHIM712":
                    raise
                if not self._closing:
                    self._agent.replace()

    def _agent_changed(self, state: State | None) -> None:
        """What the agent says, or that it is gone; called from the agent's thread."""
        with self._changed:
            self._changed.notify_all()
            if state is None:
                return
            for link in self._links.values():
                if link.remote and link.is_past(state):
                    link.connection.hang_up()
            for head in sorted(self._required):
                entry = state.heads[head]
                if entry.problem is None:
                    self._given_up.discard(head)
                elif head not in self._given_up:
                    self._give_up(head, entry, state.agent)

    def _give_up(self, head: str, entry: HeadEntry, agent: str) -> None:
        self._given_up.add(head)
        if head not in self._links:
            incarnation = Incarnation(agent, entry.incarnation)
            self._events.down(head, Death(head, incarnation, str(entry.problem), final=True))
        refusal = entry.refusal(head)
        if self._given_up == self._required and refusal is not None:
            self._break(refusal)

    # The heads.

    def _follow(self, head: str) -> None:
        if head not in self._threads:
            self._start_thread(head, self._follow_head, head)

    def _follow_head(self, head: str) -> None:
        """Listen to every incarnation of a head."""
        known: Incarnation | None = None
        while (found := self._next_incarnation(head, known)) is not None:
            incarnation, entry, state = found
            try:
                connection = wire.connect(
                    str(entry.address),
                    state.secret,
                    directory=self._agent.directory,
                    tls=Tls.calling(str(entry.address), head, settings()),
                )
            except (OSError, EOFError, WireError):
                with self._changed:
                    self._check_silence()
                time.sleep(0.02)  # it died meanwhile, or its agent did
                continue
            link = HeadLink(
                head, incarnation, connection, remote=entry.remote, process=entry.process
            )
            try:
                self._listen(link)
            except (EOFError, OSError):
                self._lost(link, None)
            except WireError as error:
                self._lost(link, error)
            finally:
                connection.close()
            if link.up and not link.again:
                known = incarnation

    def _next_incarnation(
        self, head: str, known: Incarnation | None
    ) -> tuple[Incarnation, HeadEntry, State] | None:
        """Wait for an incarnation other than `known` that is ready; None when we are closed."""
        with self._changed:
            while not self._closing:
                state = self._agent.state
                if state is not None:
                    entry = state.heads[head]
                    incarnation = Incarnation(state.agent, entry.incarnation)
                    if entry.state == "idle" and entry.answers and incarnation != known:
                        return incarnation, entry, state
                self._changed.wait(_LOOK_S)
                self._check_silence()
        return None

    def _check_silence(self) -> None:
        """Give up heads of which nobody has heard for too long."""
        now, state = time.monotonic(), self._agent.state
        for head in sorted(self._required - self._given_up):
            if state is None or head in self._links or self._is_starting(state.heads[head], now):
                self._missed.pop(head, None)
            elif now - self._missed.setdefault(head, now) > NO_HEADS_S:
                self._miss(head, state)

    def _is_starting(self, entry: HeadEntry, now: float) -> bool:
        """Whether an agent that is alive sees to the start of a head, which has its own limit."""
        self._agent.ask()
        starting = entry.answers and entry.state in ("starting", "regenerating")
        return starting and now - self._agent.heard < _SILENT_S

    def _miss(self, head: str, state: State) -> None:
        entry = state.heads[head]
        del self._missed[head]
        self._given_up.add(head)
        silent = time.monotonic() - self._agent.heard > _SILENT_S
        reason = f"no answer for {NO_HEADS_S:.0f} s" + (", nor from its agent" if silent else "")
        incarnation = Incarnation(state.agent, entry.incarnation)
        self._events.down(head, Death(head, incarnation, reason, final=True, code="CHIM714"))
        if self._given_up == self._required:
            names = ", ".join(sorted(self._required))
            self._break(
                HeadUnavailableError(
                    "CHIM714",
                    f"no head answers for {NO_HEADS_S:.0f} s; the run waits for {names}",
                    hint=f"see agent.log in '{self._agent.directory}'",
                )
            )

    def _listen(self, link: HeadLink) -> None:
        link.connection.settimeout(_ANSWER_S)
        link.connection.send({"do": "watch"})
        first = link.connection.receive()
        link.connection.settimeout(None)
        with self._changed:
            if self._closing:
                return
            link.saw(first.frame)
            self._links[link.head] = link
            link.up = True
            self._given_up.discard(link.head)
            self._events.up(link.head, link.incarnation)
            self._events.frame(link.head, first)
            self._changed.notify_all()
        while True:
            self._heard(link, link.connection.receive())

    def _heard(self, link: HeadLink, message: Message) -> None:
        frame = message.frame
        with self._changed:
            if frame["is"] == "adopted":
                works = link.adopt(frame["works"])
                self._adopted[link.head] = works
                self._changed.notify_all()
                return
            link.saw(frame)
            self._events.frame(link.head, message)

    def _lost(self, link: HeadLink, error: WireError | None) -> None:
        """An incarnation is gone, or sends what cannot be trusted and has to go.

        One that only hung up may live. With work of ours it has to go: whoever gets that work next
        must be the only one that does it. Without, it is connected to again.
        """
        head = link.head
        if error is not None:
            self._report_fault(head, f"{error.code} {error.message}")
        with self._changed:
            if self._links.get(head) is not link:
                return
            self._fencing.see_dead(link, _DEATH_S)
            if self._closing:  # it was us who hung up, and what it does for us goes on
                return
            if link.works and not self._fencing.is_dead(link):
                self._fencing.end([link], "it hung up on a client")
            link.again = not link.works and not self._fencing.is_dead(link)
            del self._links[head]
            state = self._agent.state
            known = link.has_ended(state)
            self._ended = self._ended | {head} if known else self._ended - {head}
            self._events.down(head, replace(link.death(state), known=known))
            self._changed.notify_all()

    def _report_fault(self, head: str, reason: str) -> None:
        with self.lock:
            link = self._links.get(head)
            if link is not None:
                self._fencing.report(head, link.incarnation.number, reason)
