"""Which phases of a kernel can follow a ready step in the same head, without a round trip.

A dispatch runs up to five steps back to back in one head; they still are five steps, each with its
own events, log and retry. A head's tags say where a step may run: `chimera/heads` on its op names
candidates, and a step without it may run anywhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg

from chimera_pipelines.defs._dagster_internals import (
    GLOBAL_CONCURRENCY_TAG,
    ExecutionPlan,
    ExecutionStep,
)
from chimera_pipelines.defs.ops import HEADS_TAG
from chimera_pipelines.settings import HEAD_IDS


def kernel_of(step_key: str) -> str:
    """Graph of a step, with all that encloses it; empty for an op that stands alone."""
    return step_key.rpartition(".")[0]


def candidates(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Heads that the tags of a step name, in their order; all where there is no such tag."""
    named = tuple(name for name in tags.get(HEADS_TAG, "").split(",") if name)
    return named or HEAD_IDS


@dataclass
class Dispatch:
    """What one head is asked to run.

    Attributes:
        id: names it on the wire.
        keys: step keys in the order in which they run.
        heads: that may run all of them.
        since: when it began to wait, `time.monotonic`.
        first: a step that came back from a dead head goes before the others.
        critical: of a critical kernel.
        kernel: its name in the document; empty for a step of no kernel.
        work: kind of work, by which the speeds of heads compare; empty when unknown.
        tags: head tags that its kernel asks for.
        sent: the head has it; until then the head is being started for it.
        todo: keys that have not ended.
        current: the step that has started and not ended.
        started: when `current` did, `time.monotonic`.
    """

    id: str
    keys: list[str]
    heads: tuple[str, ...]
    since: float
    first: bool = False
    critical: bool = False
    kernel: str = ""
    work: str = ""
    tags: tuple[str, ...] = ()
    sent: bool = False
    todo: list[str] = field(default_factory=list)
    current: str | None = None
    started: float = 0.0


class Chains:
    """Copies of the plan's static part.

    Dynamic steps change the plan in the main thread while others read it. Steps that only exist
    after a dynamic output never join a chain.
    """

    def __init__(self, plan: ExecutionPlan) -> None:
        self._steps = list(plan.get_steps_to_execute_in_topo_order())
        self._needs = {key: set(needs) for key, needs in plan.get_executable_step_deps().items()}
        self._succeeded: set[str] = set()
        self._yielded: set[object] = set()

    def saw(self, events: Iterable[dg.DagsterEvent]) -> None:
        """Take note of what Dagster has been told."""
        for event in events:
            if event.is_step_success and event.step_key is not None:
                self._succeeded.add(event.step_key)
            if event.is_successful_output:
                self._yielded.add(event.step_output_data.step_output_handle)

    def start_from(self, step: ExecutionStep, taken: set[str]) -> tuple[list[str], tuple[str, ...]]:
        """`step` and the steps that can run after it in one head, and the heads that may run all.

        A step joins when it waits for a step of the chain and for nothing else that is not done,
        some head may run all of them, and it claims no pool: Dagster claims slots step by step.

        Args:
            step: is ready.
            taken: keys that another dispatch has.
        """
        keys, heads = [step.key], candidates(step.tags)
        if step.node_handle.parent is None:
            return keys, heads
        for follower in self._steps:
            if follower.node_handle.parent != step.node_handle.parent or follower.key in taken:
                continue
            needs = self._needs.get(follower.key, set())
            if not needs & set(keys) or not needs <= self._succeeded | set(keys):
                continue
            both = tuple(head for head in heads if head in candidates(follower.tags))
            if both and not pool_of(follower) and self._inputs_there(follower, keys):
                keys.append(follower.key)
                heads = both
        return keys, heads

    def awaited(self, key: str, keys: Iterable[str]) -> bool:
        """Whether a step outside of `keys` waits for the step."""
        inside = set(keys)
        return any(key in needs and other not in inside for other, needs in self._needs.items())

    def heads_of(self, step: ExecutionStep) -> tuple[str, ...]:
        """Heads that may run the step alone."""
        return candidates(step.tags)

    def _inputs_there(self, step: ExecutionStep, keys: list[str]) -> bool:
        """False when an optional output of a step that is done was not yielded: a skip."""
        return all(
            handle in self._yielded or handle.step_key in keys or handle.step_key not in self._needs
            for step_input in step.step_inputs
            for handle in step_input.get_step_output_handle_dependencies()
        )


def pool_of(step: ExecutionStep) -> str | None:
    """The pool in which the step claims a slot."""
    return step.pool or step.tags.get(GLOBAL_CONCURRENCY_TAG)
