"""Kernels given out, interrupted, taken up again and given up, on heads that follow a script."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.lifecycle.run import INTERRUPTED
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.phase import PHASES, Phase
from chimera_pipelines.scheduling.attempt import GRACE_S, MAX_REGENERATIONS
from chimera_pipelines.scheduling.dispatcher import WAITING_S
from chimera_pipelines.scheduling.plan import Plan
from tests.scheduling.stage import Given, Heads, Stage, body, dies_in, fails, holds, well

Compiler = Callable[..., Plan]
Sets = Callable[..., Stage]


def tickets(plan: Plan) -> list[tuple[str, str]]:
    entries = parse_history(Path(plan.document.path).read_bytes())
    return [(e.fields["kernel"], e.fields["status"]) for e in entries if e.action == "TICKET"]


@pytest.fixture
def one(compiled: Compiler) -> Plan:
    return compiled(body(a="timeout: 5"))


def test_every_phase_is_watched_and_the_record_before_goes_along(
    compiled: Compiler, stage: Sets
) -> None:
    set_up = stage(compiled(body(a="", b="inputs: {x: $a.y}")))
    assert set_up.execute() == {"a": "ok", "b": "ok"}
    for name in ("a", "b"):
        seen = [phase for kernel, phase in set_up.watched if kernel == name]
        assert seen == [*(str(p) for p in PHASES for _ in "se"), None]
    (given,) = set_up.given("b")
    assert given.payload["upstream"] == {"a": {"y": 1}}


@pytest.mark.parametrize("phase", PHASES)
def test_a_kernel_goes_on_from_the_phase_in_which_its_head_died(
    one: Plan, stage: Sets, phase: Phase
) -> None:
    set_up = stage(one, a=[dies_in(phase)])
    assert set_up.execute() == {"a": "ok"}
    first, second = set_up.given("a")
    assert (first.payload["again"], second.payload["again"]) == (False, True)
    assert second.phase is phase
    before = PHASES.index(phase)
    record = second.payload["record"]
    seconds = None if record is None else list(record["invocation"]["seconds"])
    assert seconds == (None if before == 0 else [str(PHASES[before - 1])])
    assert set_up.reports["a"].attempts == 1, "a death is no attempt"
    (interrupted,) = set_up.dispatcher.regenerations
    assert interrupted["kernel"] == "a"
    assert interrupted["phase"] == str(phase)
    assert interrupted["incarnation"] == 1
    assert "seconds" in interrupted


def test_a_head_that_dies_after_it_told_all_costs_nothing(one: Plan, stage: Sets) -> None:
    def told_but_no_rest(heads: Heads, given: Given) -> None:
        kept, heads.rest = heads.rest, lambda *_: None  # type: ignore[method-assign]
        well(heads, given)
        heads.rest = kept  # type: ignore[method-assign]
        heads.die(given.head)

    set_up = stage(one, a=[told_but_no_rest])
    assert set_up.execute() == {"a": "ok"}
    assert len(set_up.given("a")) == 1
    assert set_up.dispatcher.regenerations == []


def test_a_head_that_dies_before_it_began_is_no_interruption(one: Plan, stage: Sets) -> None:
    set_up = stage(one, a=[lambda heads, given: heads.die(given.head)] * 6)
    assert set_up.execute() == {"a": "ok"}
    assert set_up.dispatcher.regenerations == []
    assert not any(given.payload["again"] for given in set_up.given("a"))


def test_a_kernel_that_ends_too_many_heads_fails_with_a_ticket(
    compiled: Compiler, stage: Sets
) -> None:
    plan = compiled(body(a="", b="needs: [a]"))
    set_up = stage(plan, begun=True, a=[dies_in(Phase.PROPAGATE)] * 9)
    assert set_up.execute() == {"a": "failed", "b": "skipped"}
    assert len(set_up.given("a")) == MAX_REGENERATIONS + 1
    error = set_up.reports["a"].error
    assert isinstance(error, KernelError)
    assert (error.code, error.phase) == ("CHIM760", "propagate")
    assert error.where is not None
    assert error.hint
    assert tickets(plan) == [("a", "failed")]


def test_an_error_that_a_retry_may_mend_begins_another_attempt(
    compiled: Compiler, stage: Sets
) -> None:
    late = KernelError("MAML902", "timeout of 5 s")
    set_up = stage(compiled(body(a="retries: 1")), a=[fails(late)])
    assert set_up.execute() == {"a": "ok"}
    assert [given.payload["attempt"] for given in set_up.given("a")] == [1, 2]
    assert set_up.reports["a"].attempts == 2
    assert len({given.head for given in set_up.given("a")}) <= 2


def test_an_error_that_fails_again_is_reported_at_once(compiled: Compiler, stage: Sets) -> None:
    error = KernelError("MAML505", "no number", phase="measure")
    set_up = stage(compiled(body(a="retries: 1")), a=[fails(error)])
    assert set_up.execute() == {"a": "failed"}
    assert len(set_up.given("a")) == 1
    found = set_up.reports["a"].error
    assert found is not None
    assert (found.code, found.message) == ("MAML505", "no number")


def test_an_error_of_the_work_itself_is_the_kernels(one: Plan, stage: Sets) -> None:
    def refuses(heads: Heads, given: Given) -> None:
        heads.rest(given, RuntimeError("no such plan"))

    set_up = stage(one, a=[refuses])
    assert set_up.execute() == {"a": "failed"}
    found = set_up.reports["a"].error
    assert found is not None
    assert found.code == "CHIM719"


def test_a_head_that_rests_and_ends_is_waited_for(one: Plan, stage: Sets) -> None:
    def loses_its_device(heads: Heads, given: Given) -> None:
        well(heads, given, until=Phase.PROPAGATE)
        heads.rest(given, RuntimeError("an illegal memory access"), ends=True)
        heads.die(given.head, "its device was lost")

    set_up = stage(one, a=[loses_its_device])
    assert set_up.execute() == {"a": "ok"}
    assert [given.phase for given in set_up.given("a")] == [PHASES[0], Phase.PROPAGATE]


def test_a_kernel_that_was_given_back_unfinished_fails(one: Plan, stage: Sets) -> None:
    def gives_back(heads: Heads, given: Given) -> None:
        well(heads, given, until=Phase.EMBED)
        heads.rest(given)

    set_up = stage(one, a=[gives_back])
    assert set_up.execute() == {"a": "failed"}
    found = set_up.reports["a"].error
    assert found is not None
    assert found.code == "MAML903"


def test_a_head_that_never_ends_a_phase_is_replaced_and_the_kernel_is_late(
    one: Plan, stage: Sets
) -> None:
    set_up = stage(one, begun=True, a=[holds])
    watch = set_up.state.watch

    def time_goes_by(*told: object) -> None:
        watch(*told)  # type: ignore[arg-type]
        set_up.now[0] += 5 + GRACE_S

    set_up.state.watch = time_goes_by
    assert set_up.execute() == {"a": "failed"}
    ((head, reason),) = set_up.heads.faults
    assert head == set_up.given("a")[0].head
    assert "'a'" in reason
    error = set_up.reports["a"].error
    assert error is not None
    assert (error.code, error.message) == ("MAML902", "timeout of 5 s")
    assert tickets(one) == [("a", "failed")]


def test_ctrl_c_has_heads_stop_and_skips_the_rest(compiled: Compiler, stage: Sets) -> None:
    set_up = stage(compiled(body(a="", b="needs: [a]")))
    stopped = KernelError("MAML903", "stopped: interrupted")

    def pressed(heads: Heads, given: Given) -> None:
        heads.start(given, Phase.DESERIALIZE)
        before = signal.signal(signal.SIGINT, lambda *_: set_up.state.run.stop(INTERRUPTED))
        os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        heads.end(given, Phase.DESERIALIZE, error=error_json(stopped), failure=None)
        heads.rest(given)

    set_up.heads.acts["a"] = [pressed]
    assert set_up.execute() == {"a": "failed", "b": "skipped"}
    ((head, work, reason),) = set_up.heads.cancelled
    assert (head, work) == (set_up.given("a")[0].head, set_up.given("a")[0].work)
    assert reason == INTERRUPTED
    assert set_up.reports["a"].error is not None


def test_what_a_watcher_raises_ends_the_run_in_good_order(one: Plan, stage: Sets) -> None:
    set_up = stage(one, begun=True)

    def watch(*_: object) -> None:
        raise KeyboardInterrupt

    set_up.state.watch = watch
    with pytest.raises(KeyboardInterrupt):
        set_up.dispatcher.execute()
    assert set_up.state.run.stopped == INTERRUPTED
    assert set(set_up.reports) == {"a"}


def test_no_heads_any_more_ends_the_run_with_the_code(compiled: Compiler, stage: Sets) -> None:
    set_up = stage(compiled(body(a="", b="")))
    gone = HeadUnavailableError("CHIM714", "no head answers", hint="see agent.log")

    def breaks(heads: Heads, given: Given) -> None:
        heads.mailbox.broken(gone)

    set_up.heads.acts["a"] = set_up.heads.acts["b"] = [breaks]
    assert set(set_up.execute().values()) == {"failed"}
    assert {r.error.code for r in set_up.reports.values() if r.error} == {"CHIM714"}
    assert set_up.state.run.stopped == "CHIM714 no head answers"


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_broken_run_signs_for_a_head_only_when_that_is_known_to_have_ended(
    compiled: Compiler, stage: Sets, unreachable: bool
) -> None:
    plan = compiled(body(a="head: [HEAD_3]"))
    set_up = stage(plan, begun=True)

    def breaks(heads: Heads, given: Given) -> None:
        heads.start(given, Phase.DESERIALIZE)
        heads.mailbox.broken(KernelError("CHIM719", "a fault"))

    set_up.heads.acts["a"] = [breaks]
    set_up.heads.unreachable = {"HEAD_3"} if unreachable else set()
    assert set_up.execute() == {"a": "failed"}
    assert set_up.heads.fenced == ["HEAD_3"]
    error = set_up.reports["a"].error
    assert error is not None
    assert error.code == "CHIM719"
    assert tickets(plan) == ([] if unreachable else [("a", "failed")])
    failure = set_up.reports["a"].failure
    assert unreachable or (failure is not None and failure.invocation.head == "HEAD_3")


def test_nothing_is_signed_for_a_head_that_may_live(compiled: Compiler, stage: Sets) -> None:
    def lost(heads: Heads, given: Given) -> None:
        heads.start(given, Phase.DESERIALIZE)
        heads.die(given.head, "it hung up", known=False)

    plan = compiled(body(a=""))
    set_up = stage(plan, begun=True, a=[lost] * 9)
    assert set_up.execute() == {"a": "failed"}
    error = set_up.reports["a"].error
    assert error is not None
    assert error.code == "CHIM760"
    assert tickets(plan) == []


def test_heads_that_stay_down_fail_what_only_they_could_run(one: Plan, stage: Sets) -> None:
    def dies_for_good(heads: Heads, given: Given) -> None:
        heads.die(given.head, "it died 5 times", final=True)

    set_up = stage(one, a=[dies_for_good, dies_for_good])
    assert set_up.execute() == {"a": "failed"}
    error = set_up.reports["a"].error
    assert error is not None
    assert error.code == "CHIM762"
    assert "it died 5 times" in error.message


def test_a_head_for_which_nobody_answers_fails_what_only_it_could_run(
    compiled: Compiler, stage: Sets
) -> None:
    def falls_silent(heads: Heads, given: Given) -> None:
        heads.die(given.head, "no answer for 150 s", final=True, code="CHIM714")

    set_up = stage(compiled(body(a="head: [HEAD_3]", b="head: [HEAD_4]")), a=[falls_silent])
    assert set_up.execute() == {"a": "failed", "b": "ok"}
    error = set_up.reports["a"].error
    assert error is not None
    assert error.code == "CHIM714"
    assert "HEAD_3: no answer" in error.message


def test_what_a_kernel_waits_for_is_said_once(
    one: Plan, stage: Sets, caplog: pytest.LogCaptureFixture
) -> None:
    set_up = stage(one)
    set_up.heads.absent = {"HEAD_3", "HEAD_4"}
    asked: list[str] = []
    entries = set_up.heads.entries

    def late() -> object:
        asked.append("")
        set_up.heads.come("HEAD_3")
        return entries()

    set_up.heads.entries = late  # type: ignore[method-assign, assignment]
    up = set_up.heads.up

    def time_goes_by() -> list[str]:
        set_up.now[0] += WAITING_S
        return up()

    set_up.heads.up = time_goes_by  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        assert set_up.execute() == {"a": "ok"}
    said = [r.getMessage() for r in caplog.records if "waits for" in r.getMessage()]
    assert said == ["'a' waits for HEAD_3 (regenerating), HEAD_4 (starting)"]


def test_messages_of_heads_are_logged_here(
    one: Plan, stage: Sets, caplog: pytest.LogCaptureFixture
) -> None:
    def speaks(heads: Heads, given: Given) -> None:
        heads.tell(given, **{"is": "log", "logger": "chimera", "level": 30, "message": "100 %s"})
        well(heads, given)

    with caplog.at_level(logging.WARNING):
        stage(one, a=[speaks]).execute()
    assert ("chimera", 30, "100 %s") in caplog.record_tuples


def test_a_head_that_does_not_take_work_gets_it_when_it_is_back(one: Plan, stage: Sets) -> None:
    set_up = stage(one)
    set_up.heads.deaf = {"HEAD_3", "HEAD_4"}
    assert set_up.execute() == {"a": "ok"}


def test_the_next_incarnation_may_have_work_before_we_hear_of_the_death(
    compiled: Compiler, stage: Sets
) -> None:
    pin = "head: [HEAD_3]"
    set_up = stage(compiled(body(a=pin, b=pin)), a=[dies_in(Phase.EMBED)])
    assert set_up.execute() == {"a": "ok", "b": "ok"}
    assert len(set_up.given("a")) == 2
    assert len(set_up.given("b")) == 1, "what the next one has is not lost with the one before"


def test_a_device_that_is_lost_before_a_phase_began_costs_no_attempt(
    one: Plan, stage: Sets
) -> None:
    def ends(heads: Heads, given: Given) -> None:
        heads.rest(given, RuntimeError("no device"), ends=True)
        heads.die(given.head, "its device was lost")

    set_up = stage(one, a=[ends])
    assert set_up.execute() == {"a": "ok"}
    assert [given.payload["attempt"] for given in set_up.given("a")] == [1, 1]
