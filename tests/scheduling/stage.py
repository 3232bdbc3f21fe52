"""Heads without processes: they answer from a script, into the mailbox that is being read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.state import KINDS, HeadEntry
from chimera_pipelines.lifecycle.records import Invocation, Measured, Outcome
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.dispatcher import Dispatcher
from chimera_pipelines.scheduling.mailbox import Mailbox
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.scheduling.run_report import KernelReport
from chimera_pipelines.scheduling.run_state import RunState

DIGEST = "sha256:" + "1" * 64
INVOCATION = Invocation("a", 1, "HEAD_3", "cpu", 1, "landlock", {}, DIGEST, 7, None)
KILLED = "killed by SIGKILL"
Act = Callable[["Heads", "Given"], None]


def router(*reputations: Reputation) -> Router:
    return Router({head: Reputation(head) for head in KINDS} | {r.head: r for r in reputations}, 0)


def outcome(kernel: str, head: str = "HEAD_3", output: Any = None) -> Outcome:
    return Outcome(
        kernel=kernel,
        status="ok",
        attempts=1,
        head=head,
        device="cpu",
        incarnation=1,
        tier="landlock",
        input_digest=DIGEST,
        output_digest="sha256:2",
        output={"y": 1} if output is None else output,
        cuda_ns=None,
        seconds={"embed": 0.5},
        series={},
        ticket={"seq": 2},
        checkpoint=None,
        drawing={},
    )


@dataclass
class Given:
    """A work as a head got it."""

    head: str
    work: str
    payload: Mapping[str, Any]

    @property
    def kernel(self) -> str:
        return str(self.payload["kernel"])

    @property
    def phase(self) -> Phase | None:
        phase = self.payload["phase"]
        return None if phase is None else Phase(phase)


@dataclass
class Heads:
    """What a dispatcher asks of heads; `acts` are done for one kernel's works in turn.

    Heads that are required come up at once, unless they are among `absent`. A work without an act
    is done well; the tenth work of a kernel is one too many.
    """

    mailbox: Mailbox
    acts: dict[str, list[Act]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    required: list[str] = field(default_factory=list)
    works: list[Given] = field(default_factory=list)
    cancelled: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    fenced: list[str] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    _up: dict[str, int] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _has: dict[str, list[str]] = field(default_factory=dict)

    def require(self, *heads: str) -> None:
        for head in heads:
            self.required.append(head)
            if head not in self.absent and head not in self._up:
                self.come(head)

    def come(self, head: str) -> None:
        self._up[head] = self._up.get(head, 0) + 1
        self.mailbox.up(head, Incarnation("agent", self._up[head]))

    def die(self, head: str, reason: str = KILLED, **final: Any) -> None:
        """The head is gone; unless that is final the next incarnation comes."""
        self._busy.discard(head)
        works = tuple(self._has.pop(head, ()))
        number = Incarnation("agent", self._up[head])
        death = Death(head, number, reason, works=works, **final)
        self.mailbox.down(head, death)
        if final.get("final"):
            del self._up[head]
        else:
            self.come(head)

    def tell(self, given: Given, **frame: Any) -> None:
        self.mailbox.frame(given.head, Message({"work": given.work, **frame}, ()))

    def start(self, given: Given, phase: Phase) -> None:
        self.tell(given, **{"is": "start", "key": f"{given.kernel}.{phase}", "phase": str(phase)})

    def end(self, given: Given, phase: Phase, **more: Any) -> None:
        key = f"{given.kernel}.{phase}"
        self.tell(given, **{"is": "end", "key": key, "phase": str(phase), "seconds": 0.5, **more})

    def rest(self, given: Given, error: BaseException | None = None, **more: Any) -> None:
        self._busy.discard(given.head)
        self._has[given.head].remove(given.work)
        told = None if error is None else error_json(error)
        self.tell(given, **{"is": "rest", "failed": None, "error": told, **more})

    def idle(self) -> list[str]:
        return [head for head in self._up if head not in self._busy]

    def up(self) -> list[str]:
        return list(self._up)

    def entries(self) -> Mapping[str, HeadEntry]:
        return {"HEAD_3": HeadEntry("ai", "cpu", state="regenerating")}

    def perform(
        self, head: str, work: str, performer: str, payload: Mapping[str, Any], **_: Any
    ) -> bool:
        assert performer == "kernel"
        if head in self.deaf:
            self.deaf.discard(head)
            self.die(head)
            return False
        given = Given(head, work, payload)
        self.works.append(given)
        self._has.setdefault(head, []).append(work)
        if given.phase is None:
            self.rest(given)
            return True
        self._busy.add(head)
        mine = [one for one in self.works if one.kernel == given.kernel and one.phase is not None]
        assert len(mine) < 20, "given out again and again"
        acts = self.acts.get(given.kernel, [])
        (acts.pop(0) if acts else well)(self, given)
        return True

    def cancel(self, head: str, work_or_run: str, reason: str = "") -> None:
        self.cancelled.append((head, work_or_run, reason))

    def fault(self, head: str, reason: str) -> None:
        self.faults.append((head, reason))
        self.die(head, f"fault: {reason}")

    def fence(self, heads: Collection[str], reason: str) -> set[str]:
        self.fenced += sorted(heads)
        return set(heads) - self.unreachable

    def close(self) -> None:
        """Nothing is open."""


def well(heads: Heads, given: Given, *, until: Phase | None = None) -> None:
    """The rest of the phases, each with its record; or those before `until`, which is begun."""
    for phase in PHASES[PHASES.index(given.phase or PHASES[0]) :]:
        heads.start(given, phase)
        if phase is until:
            return
        last = phase is Phase.FEEDBACK
        invocation = replace(INVOCATION, kernel=given.kernel, head=given.head, seconds={phase: 0.5})
        record = Measured(invocation, {"output": {}}).to_json()
        heads.end(
            given, phase, record=outcome(given.kernel, given.head).to_json() if last else record
        )
    heads.rest(given)


def dies_in(phase: Phase, reason: str = KILLED) -> Act:
    def act(heads: Heads, given: Given) -> None:
        well(heads, given, until=phase)
        heads.die(given.head, reason)

    return act


def fails(error: BaseException) -> Act:
    """A phase is begun and ends with an error, of which no ticket is known."""

    def act(heads: Heads, given: Given) -> None:
        heads.start(given, Phase.DESERIALIZE)
        heads.end(given, Phase.DESERIALIZE, error=error_json(error), failure=None)
        heads.rest(given)

    return act


def holds(heads: Heads, given: Given) -> None:
    """A phase is begun and never ends."""
    heads.start(given, Phase.DESERIALIZE)


@dataclass
class Stage:
    """A dispatcher whose heads follow a script, and whose time goes on only when it is told to."""

    dispatcher: Dispatcher
    heads: Heads
    state: RunState
    now: list[float]
    watched: list[tuple[str, str | None]]

    @property
    def reports(self) -> dict[str, KernelReport]:
        return self.state.reports

    def execute(self) -> dict[str, str]:
        self.dispatcher.execute()
        return {name: report.status for name, report in self.reports.items()}

    def given(self, kernel: str) -> list[Given]:
        """Its works, but for those that only got ready for it."""
        return [w for w in self.heads.works if w.kernel == kernel and w.phase is not None]


def stages(services: Services) -> Iterator[Callable[..., Stage]]:
    """Sets stages for plans; their runs are closed afterwards."""
    runs = []

    def make(plan: Plan, *reputations: Reputation, begun: bool = False, **acts: list[Act]) -> Stage:
        run = open_run(plan, services, run_id=new_run_id(), force=True)
        runs.append(run)
        if begun:
            run.begin()
        watched: list[tuple[str, str | None]] = []

        def watch(kernel: str, phase: Phase | None, _: float | None) -> None:
            watched.append((kernel, None if phase is None else str(phase)))

        mailbox, state, now = Mailbox(), RunState(plan, run, watch), [100.0]
        heads = Heads(mailbox, dict(acts))
        dispatcher = Dispatcher(
            state, heads, mailbox, router(*reputations), clock=lambda: now[0], _numbers=count()
        )
        return Stage(dispatcher, heads, state, now, watched)

    yield make
    for run in runs:
        run.close()


KERNELS = """## Dependencies
```yaml
kernels:
  OPTIONS
```
## Code_Blocks
"""


def body(**kernels: str) -> str:
    """Python kernels with these options."""
    lines = "\n  ".join(f"{name}: {{{options}}}" for name, options in kernels.items())
    blocks = [
        f"```python {{#{name}}}\ndef run(x=1):\n    return {{'y': x}}\n```" for name in kernels
    ]
    critical = [name for name, options in kernels.items() if "critical: true" in options]
    schemas = [f'```json {{#{name}}}\n{{"type": "object"}}\n```\n' for name in critical]
    text = KERNELS.replace("OPTIONS", lines) + "\n".join(blocks) + "\n"
    return text + ("## Output_Schema\n" + "".join(schemas) if schemas else "")
