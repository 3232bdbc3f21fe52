"""The five phases of a kernel, their order, every legal transition; this file alone rules it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """A phase of one kernel invocation (MAML.md §4)."""

    DESERIALIZE = "deserialize"
    EMBED = "embed"
    PROPAGATE = "propagate"
    MEASURE = "measure"
    FEEDBACK = "feedback"


PHASES: tuple[Phase, ...] = tuple(Phase)

# A feedback loop goes back to EMBED (MAML.md §4, phase 5: "loop to phase 2 until `done`");
# None is the end of the invocation.
TRANSITIONS: dict[Phase, tuple[Phase | None, ...]] = {
    Phase.DESERIALIZE: (Phase.EMBED,),
    Phase.EMBED: (Phase.PROPAGATE,),
    Phase.PROPAGATE: (Phase.MEASURE,),
    Phase.MEASURE: (Phase.FEEDBACK,),
    Phase.FEEDBACK: (Phase.EMBED, None),
}


def follows(before: Phase, after: Phase | None) -> bool:
    """Whether `after` (None: the end) may come directly after `before`."""
    return after in TRANSITIONS[before]
