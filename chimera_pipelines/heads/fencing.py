"""Seeing incarnations end: whoever gets their work next must be the only one that does it.

The agent kills and reaps a process before it forks the next one. Where it does not answer, one of
this machine is killed from here; of one on another machine it is then not known what it does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from chimera_pipelines.heads.agent_link import AgentLink
from chimera_pipelines.heads.attach import gone
from chimera_pipelines.heads.head_link import HeadLink
from chimera_pipelines.heads.proc import end

FENCED_S = 5.0
_KILLED_S = 1.0


class Fencing:
    """What a fleet's threads ask for; always with its lock held, which waits let go of.

    Args:
        changed: told of every state of the agent.
        agent: of the heads.
        over: nothing more will come.
    """

    def __init__(
        self, changed: threading.Condition, agent: AgentLink, over: Callable[[], bool]
    ) -> None:
        self._changed = changed
        self._agent = agent
        self._over = over

    def wait(self, ready: Callable[[], bool], within_s: float) -> None:
        """Wait until it is so, nothing more will come, or it has been too long."""
        self._changed.wait_for(lambda: ready() or self._over(), max(0.0, within_s))

    def report(self, head: str, number: int, reason: str) -> None:
        """Have the agent fence an incarnation."""
        frame = {"do": "fault", "head": head, "incarnation": number, "reason": reason}
        self._agent.send(frame)

    def see_dead(self, link: HeadLink, within_s: float) -> None:
        """Wait for the agent to say that it has ended."""
        self.wait(lambda: self.is_dead(link), within_s)

    def is_dead(self, link: HeadLink) -> bool:
        """Whether the agent says that it has ended, or is gone and its heads with it."""
        state = self._agent.state
        return state is None or link.is_past(state)

    def end(self, links: Sequence[HeadLink], reason: str) -> set[str]:
        """See that they end, by their agent, or where that does not do it, by us.

        Returns:
            The heads of which it is known.
        """
        for link in links:
            self.report(link.head, link.incarnation.number, reason)

        def ended() -> bool:
            state = self._agent.state
            return state is None or all(link.has_ended(state) for link in links)

        self._changed.wait_for(ended, FENCED_S)
        for link in links:
            if link.process is not None and not link.has_ended(self._agent.state):
                end(*link.process)
                gone(*link.process, within_s=_KILLED_S)
        return {link.head for link in links if link.has_ended(self._agent.state)}

    def end_silent(self, heads: Mapping[str, int]) -> None:
        """See incarnations end that do not say what they do for our run."""
        for head, number in heads.items():
            self.report(head, number, "it does not say what it does for a run")

        def ended() -> bool:
            state = self._agent.state
            now = {} if state is None else state.heads
            return all(h not in now or now[h].incarnation > n for h, n in heads.items())

        self.wait(ended, FENCED_S)
