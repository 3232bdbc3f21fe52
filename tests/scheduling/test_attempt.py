"""When a kernel has taken too many heads with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.scheduling.attempt import MAX_FAULTS, MAX_REGENERATIONS, Attempt, OnHead
from chimera_pipelines.scheduling.plan import compile_plan
from tests.e2e.chaos import document


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    path = str(tmp_path / "doc.maml.md")
    plan = compile_plan(read_text(document(1).encode(), path))
    return Attempt(plan.kernels[0], {}, 0.0)


def die(attempt: Attempt, reason: str) -> None:
    attempt.on = OnHead("HEAD_1", "work", begun=True)
    death = Death("HEAD_1", Incarnation("agent", 1), reason)
    attempt.interrupted(1.0, from_outside=death.from_outside)


def test_a_kernel_that_ends_one_head_after_the_other_is_deadly(attempt: Attempt) -> None:
    for _ in range(MAX_REGENERATIONS):
        die(attempt, "killed by SIGKILL")
        assert not attempt.deadly
    die(attempt, "killed by SIGSEGV")
    assert attempt.deadly


@pytest.mark.parametrize(
    "reason", ["stopped (SIGSTOP)", "fault: CHIM713 a frame was changed", "restart: asked"]
)
def test_what_no_kernel_brings_about_is_borne_longer_but_not_for_ever(
    attempt: Attempt, reason: str
) -> None:
    for _ in range(MAX_FAULTS):
        die(attempt, reason)
        assert not attempt.deadly
    die(attempt, reason)
    assert attempt.deadly


def test_a_phase_that_ended_makes_up_for_what_was_before(attempt: Attempt) -> None:
    for _ in range(MAX_REGENERATIONS):
        die(attempt, "its device was lost")
        die(attempt, "stopped (SIGSTOP)")
    attempt.on = OnHead("HEAD_1", "work", begun=True)
    attempt.end({"record": {}})
    assert (attempt.deaths, attempt.faults) == ([], 0)
    assert dataclasses.asdict(attempt.on)["phase_since"] is None
