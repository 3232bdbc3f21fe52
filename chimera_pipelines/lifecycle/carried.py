"""What a feedback loop carries from one pass to the next, and leaves for the head that goes on.

After each pass the loop notes all that its next one needs, so that a head that dies in pass 37
leaves a loop that goes on in pass 37, with the same numbers and as many passes. A note is as long
as the series are; so that all notes of a loop cost no more than in proportion to its passes, those
beyond pass 256 are left every second pass, beyond 512 every third, and so on. What was not noted is
computed again, with the same results.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.lending import Lent
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run

NOTE = "loop"
_EACH = 256


@dataclass(slots=True)
class Carried:
    """A loop between two passes.

    Attributes:
        iteration: the pass that comes next, 1 for the first.
        inputs: values that replace inputs of the same name.
        series: numbers of the passes so far, by name.
        passes: `{pass, head, incarnation, seconds}` of each, and `feedback_head` and
            `feedback_incarnation` where an AI head ran the feedback block.
        cuda_ns: CUDA time of the passes so far.
    """

    iteration: int = 1
    inputs: Mapping[str, JSONValue] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    passes: list[Mapping[str, Any]] = field(default_factory=list)
    cuda_ns: int | None = None
    _begun: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, run: Run, invocation: Invocation) -> Carried:
        """The loop as another head left it in this attempt, or at its beginning."""
        note = run.noted(invocation.kernel, NOTE) if invocation.kernel in run.again else None
        if note is None or note["of"] != _of(invocation):
            return cls()
        return cls(**{name: note[name] for name in _KEPT})

    def ended(
        self, invocation: Invocation, output: Mapping[str, Any], lent: Lent | None = None
    ) -> None:
        """Record what a pass gave, how long it took, and who lent a session to it."""
        for name, value in output.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.series.setdefault(name, []).append(float(value))
        now = time.monotonic()
        told = {
            "pass": self.iteration,
            "head": invocation.head,
            "incarnation": invocation.incarnation,
            "seconds": round(now - self._begun, 6),
        }
        if lent is not None:
            told |= {"feedback_head": lent.head, "feedback_incarnation": lent.incarnation}
        self.passes.append(told)
        self._begun = now

    def go_on(self, run: Run, invocation: Invocation, values: Mapping[str, JSONValue]) -> None:
        """Turn to the next pass with these values, and note that."""
        self.iteration += 1
        self.inputs = values
        if self.iteration % (1 + self.iteration // _EACH) == 0:
            kept = {name: getattr(self, name) for name in _KEPT}
            run.note(invocation.kernel, NOTE, {"of": _of(invocation), **kept})


_KEPT = [f.name for f in fields(Carried) if not f.name.startswith("_")]


def _of(invocation: Invocation) -> list[Any]:
    return [invocation.input_digest, invocation.attempt, invocation.seed]
