"""A run signs for a head that is dead, and never twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.attempt import Attempt
from chimera_pipelines.scheduling.endings import abandon
from chimera_pipelines.scheduling.plan import Plan
from tests.scheduling.stage import INVOCATION, Stage, body

LATE = KernelError("MAML902", "timeout of 5 s", hint="raise the kernel's timeout")


@pytest.fixture
def begun(compiled: Callable[..., Plan], stage: Callable[..., Stage]) -> Stage:
    return stage(compiled(body(a="")), begun=True)


def attempt(begun: Stage, number: int = 1) -> Attempt:
    kernel = begun.state.plan.kernels[0]
    return Attempt(kernel, {}, 0.0, number, Phase.PROPAGATE, again=True, deaths=["HEAD_4"])


def tickets(begun: Stage) -> list[tuple[str, str]]:
    entries = parse_history(Path(begun.state.plan.document.path).read_bytes())
    return [(e.fields["head"], e.fields["status"]) for e in entries if e.action == "TICKET"]


def test_an_attempt_is_signed_in_the_name_of_its_dead_head(begun: Stage) -> None:
    ending = abandon(begun.state.run, attempt(begun), "HEAD_4", 7, LATE)
    assert (ending.outcome, ending.error) == (None, LATE)
    assert ending.failure is not None
    mine = ending.failure.invocation
    assert (mine.head, mine.incarnation, mine.attempt) == ("HEAD_4", 7, 1)
    assert tickets(begun) == [("HEAD_4", "failed")]


def test_what_the_last_phase_left_stands_in_the_failure(begun: Stage) -> None:
    from chimera_pipelines.lifecycle.records import Measured

    record = Measured(replace(INVOCATION, seconds={"embed": 0.5}), {"output": {}}).to_json()
    mine = replace(attempt(begun), record=record)
    ending = abandon(begun.state.run, mine, "HEAD_4", None, LATE)
    assert ending.failure is not None
    assert ending.failure.invocation.seconds == {"embed": 0.5}
    assert ending.failure.invocation.head == "HEAD_4"


def test_a_failure_that_was_signed_is_told_and_not_signed_again(begun: Stage) -> None:
    abandon(begun.state.run, attempt(begun), "HEAD_4", 7, LATE)
    stopped = KernelError("MAML903", "stopped: interrupted")
    again = abandon(begun.state.run, attempt(begun), "HEAD_3", 2, stopped)
    assert again.error is not None
    assert (again.error.code, again.error.message) == (LATE.code, LATE.message)
    assert tickets(begun) == [("HEAD_4", "failed")]
    abandon(begun.state.run, attempt(begun, 2), "HEAD_3", 2, stopped)
    assert tickets(begun) == [("HEAD_4", "failed"), ("HEAD_3", "failed")]


def test_an_output_that_was_signed_is_adopted(begun: Stage) -> None:
    run, kernel = begun.state.run, begun.state.plan.kernels[0]
    done = phases.run_kernel(run, kernel, {}, attempt=1, watch=lambda *_: None)
    ending = abandon(run, attempt(begun), done.head, 1, LATE)
    assert ending.error is None
    assert ending.outcome is not None
    assert ending.outcome.output_digest == done.output_digest
    assert ending.outcome.ticket == done.ticket
    assert tickets(begun) == [(done.head, "ok")]


def test_a_history_that_takes_no_entry_is_the_error(begun: Stage) -> None:
    path = Path(begun.state.plan.document.path)
    path.write_bytes(path.read_bytes().replace(b"GRANT", b"GRUNT"))
    ending = abandon(begun.state.run, attempt(begun), "HEAD_4", 7, LATE)
    assert ending.outcome is None
    assert ending.error is not None
    assert ending.error is not LATE
