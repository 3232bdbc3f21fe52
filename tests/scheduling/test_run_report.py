"""Exit codes and JSON of runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from chimera_pipelines.errors import ChimeraError, ExitCode, HeadUnavailableError, KernelError
from chimera_pipelines.lifecycle.receipts import TicketReceipt
from chimera_pipelines.lifecycle.run import FailedAttempt
from chimera_pipelines.phase import PHASES
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.run_report import KernelReport, RunReport
from tests.scheduling.stage import INVOCATION, body, outcome

FAILED = KernelError("MAML505", "no number", phase="measure")
NO_HEAD = HeadUnavailableError("CHIM762", "no head stays up")


@pytest.fixture
def plan(compiled: Callable[..., Plan]) -> Plan:
    return compiled(body(a="", b="inputs: {x: $a.y}"))


def report(plan: Plan, *kernels: KernelReport, interrupted: bool = False) -> RunReport:
    return RunReport(plan, "01K", None, 1.23456789, kernels, {}, "landlock", interrupted)


def errors(plan: Plan, *found: ChimeraError) -> RunReport:
    return report(plan, *(KernelReport(plan.kernels[0], "failed", error=one) for one in found))


def test_exit_codes(plan: Plan) -> None:
    ok = KernelReport(plan.kernels[0], "ok", outcome("a"))
    skipped = KernelReport(plan.kernels[1], "skipped")
    assert report(plan, ok, skipped).exit_code is ExitCode.OK
    assert errors(plan, FAILED).exit_code is ExitCode.KERNEL_FAILED
    assert errors(plan, NO_HEAD, NO_HEAD).exit_code is ExitCode.NO_HEAD
    assert errors(plan, NO_HEAD, FAILED).exit_code is ExitCode.KERNEL_FAILED
    assert report(plan, ok, interrupted=True).exit_code is ExitCode.INTERRUPTED


def test_a_kernel_that_is_ok_shows_its_outcome_and_every_phase(plan: Plan) -> None:
    shown = KernelReport(plan.kernels[0], "ok", outcome("a"), attempts=2).as_json()
    assert (shown["status"], shown["head"], shown["output"]) == ("ok", "HEAD_3", {"y": 1})
    assert [one["phase"] for one in shown["phases"]] == [str(phase) for phase in PHASES]
    assert [one["seconds"] for one in shown["phases"]] == [0.0, 0.5, 0.0, 0.0, 0.0]
    assert shown["error"] is None


def test_a_kernel_that_failed_shows_its_ticket_and_the_phases_that_ended(plan: Plan) -> None:
    ticket = TicketReceipt(3, "key", "sha256:0", "2026-08-01T09:00:00Z", "sha256:9")
    failure = FailedAttempt(replace(INVOCATION, seconds={"deserialize": 0.1}), ticket)
    shown = KernelReport(plan.kernels[0], "failed", None, FAILED, 1, failure).as_json()
    assert shown["ticket"]["seq"] == 3
    assert shown["phases"] == [{"phase": "deserialize", "seconds": 0.1}]
    assert (shown["head"], shown["error"]["code"]) == ("HEAD_3", "MAML505")


def test_a_kernel_that_never_began_ran_nowhere(plan: Plan) -> None:
    assert KernelReport(plan.kernels[0], "skipped").as_json()["head"] is None
    began = KernelReport(plan.kernels[0], "failed", error=NO_HEAD, attempts=1, head="HEAD_4")
    assert began.as_json()["head"] == "HEAD_4"


def test_both_kinds_of_kernel_have_the_same_fields(plan: Plan) -> None:
    ok = KernelReport(plan.kernels[0], "ok", outcome("a")).as_json()
    assert ok.keys() == KernelReport(plan.kernels[0], "skipped").as_json().keys()


def test_a_run_shows_outputs_of_its_last_kernels_alone(plan: Plan) -> None:
    kernels = [KernelReport(k, "ok", outcome(k.name)) for k in plan.kernels]
    death = {"head": "HEAD_3", "reason": "killed by SIGKILL"}
    shown = replace(report(plan, *kernels), regenerations=[death]).as_json()
    assert (shown["schema"], shown["status"], shown["seconds"]) == ("chimera.run/1", "ok", 1.234568)
    assert shown["outputs"] == {"b": {"y": 1}}
    assert shown["regenerations"] == [death]
    assert json.loads(json.dumps(shown)) == shown
    assert report(plan, kernels[0], interrupted=True).as_json()["status"] == "failed"
