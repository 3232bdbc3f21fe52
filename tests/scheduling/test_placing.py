"""Which head gets what, and which heads are started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling.attempt import Attempt
from chimera_pipelines.scheduling.mailbox import Mailbox
from chimera_pipelines.scheduling.placing import Placing
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import PATIENCE_POOR_S, NoHeadError
from tests.scheduling.stage import Heads, body, router


@pytest.fixture
def kernels(compiled: Callable[..., Plan]) -> dict[str, KernelSpec]:
    """Two for either AI head, one that is pinned, one that is critical."""
    text = body(a="", b="", pinned="head: [HEAD_4]", critical="critical: true")
    return {kernel.name: kernel for kernel in compiled(text).kernels}


@pytest.fixture
def heads() -> Heads:
    return Heads(Mailbox())


def waits(kernel: KernelSpec, since: float = 0.0) -> Attempt:
    return Attempt(kernel, {}, since)


def test_nothing_is_given_to_heads_that_do_not_answer(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    placing = Placing(heads, router())
    assert placing.next([waits(kernels["a"])]) is None
    heads.come("HEAD_1")
    assert placing.next([waits(kernels["a"])]) is None, "it is of the other kind"
    heads.come("HEAD_4")
    found = placing.next([waits(kernels["a"])])
    assert found is not None
    assert (found[0].kernel.name, found[1]) == ("a", "HEAD_4")
    assert placing.next([]) is None


def test_a_head_that_took_no_work_gets_none_until_it_changed(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    placing = Placing(heads, router())
    heads.come("HEAD_4")
    placing.silent("HEAD_4")
    assert placing.next([waits(kernels["pinned"])]) is None
    assert placing.target(kernels["pinned"]) is None
    placing.changed("HEAD_4")
    assert placing.next([waits(kernels["pinned"])]) is not None


def test_a_head_that_gets_ready_takes_a_kernel_and_no_further_preparation(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    placing = Placing(heads, router())
    heads.come("HEAD_4")
    heads._busy.add("HEAD_4")
    assert placing.next([waits(kernels["pinned"])]) is None
    placing.preparing("HEAD_4")
    assert placing.next([waits(kernels["pinned"])]) is not None
    heads._busy.clear()
    assert placing.target(kernels["pinned"]) is None
    placing.prepared("HEAD_4")
    assert placing.target(kernels["pinned"]) == "HEAD_4"


def test_one_head_is_started_for_each_that_waits(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    heads.absent = {"HEAD_3", "HEAD_4"}
    placing = Placing(heads, router())
    first, second = waits(kernels["a"]), waits(kernels["b"])
    placing.start_for((), [first])
    placing.start_for((), [first])
    assert len(heads.required) == 1, "it is on its way"
    placing.start_for((), [first, second])
    assert sorted(heads.required) == ["HEAD_3", "HEAD_4"]
    placing.start_for((), [first, second, waits(kernels["pinned"])])
    assert len(heads.required) == 2, "there are no more"


def test_for_what_comes_soon_any_head_that_is_up_will_do(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    heads.come("HEAD_3")
    heads._busy.add("HEAD_3")
    placing = Placing(heads, router())
    placing.start_for([kernels["a"]])
    assert heads.required == []
    placing.start_for([kernels["pinned"]])
    assert heads.required == ["HEAD_4"]


def test_a_head_that_was_being_started_is_not_started_again(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    placing = Placing(heads, router(), required=["HEAD_4"])
    placing.start_for((), [waits(kernels["pinned"])])
    assert heads.required == []


def test_a_kernel_is_hopeless_when_all_its_heads_are_lost(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    placing = Placing(heads, router())
    placing.lost["HEAD_4"] = Death("HEAD_4", Incarnation("a", 5), "it died 5 times", final=True)
    assert placing.hopeless(waits(kernels["a"])) is None
    error = placing.hopeless(waits(kernels["pinned"]))
    assert error is not None
    assert error.code == "CHIM762"
    assert "'pinned'" in error.message
    assert "HEAD_4: it died 5 times" in error.message
    placing.start_for((), [waits(kernels["pinned"])])
    assert heads.required == [], "a lost head is not started"


def test_a_critical_kernel_gets_no_head_of_bad_reputation(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    bad = [Reputation(head, 1.0, 20.0, streak=9) for head in ("HEAD_3", "HEAD_4")]
    placing = Placing(heads, router(*bad))
    heads.come("HEAD_3")
    heads.come("HEAD_4")
    with pytest.raises(NoHeadError) as found:
        placing.next([waits(kernels["critical"])])
    assert found.value.job.key == "critical"


def test_how_long_a_kernel_waited_is_told_by_one_clock(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    now = [1000.0]
    poor = Reputation("HEAD_4", 1.0, 20.0)
    placing = Placing(heads, router(poor), clock=lambda: now[0])
    heads.come("HEAD_3")
    heads.come("HEAD_4")
    heads._busy.add("HEAD_3")
    attempt = waits(kernels["a"], since=now[0])
    assert placing.next([attempt]) is None, "it waits for the better one"
    now[0] += PATIENCE_POOR_S + 1
    assert placing.next([attempt]) == (attempt, "HEAD_4")


def test_what_it_waits_for_is_said_of_each_head(
    heads: Heads, kernels: dict[str, KernelSpec]
) -> None:
    heads.come("HEAD_4")
    said = Placing(heads, router()).waits_for(waits(kernels["a"]))
    assert sorted(said.split(", ")) == ["HEAD_3 (regenerating)", "HEAD_4 (busy)"]
