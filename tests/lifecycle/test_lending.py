"""Who lends, where all heads live in one process; and what a run does with what is lent to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chimera_pipelines.lifecycle.lending import Borrowed, InProcess, Lent, Wish
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox import tiers
from chimera_pipelines.scheduling.plan import Plan
from tests.lifecycle.test_learning_calls import Talkative, loop

Compiler = Callable[..., Plan]


def wish(kernel: Any) -> Wish:
    tier = tiers.choose("auto", trusted=False)
    return Wish("r", kernel, SessionSpec(tier, (), 5.0), (), lambda: 5.0)


def test_kernels_of_two_quantum_heads_get_two_ai_heads(
    compiled: Compiler, services: Services
) -> None:
    kernel = compiled(loop()).kernels[0]
    assert kernel.feedback_heads == ("HEAD_3", "HEAD_4")
    lender = InProcess(lambda: services.heads)
    heads = []
    for own in (("HEAD_1", "HEAD_2"), ("HEAD_2", "HEAD_1")):
        lent = lender.lend(wish(replace(kernel, heads=own)))
        assert lent is not None
        heads.append(lent.head)
        lent.session.close()
    assert heads == ["HEAD_3", "HEAD_4"]


def test_the_process_of_one_head_lends_nothing(compiled: Compiler, services: Services) -> None:
    alone = InProcess(lambda: {"HEAD_1": services.heads["HEAD_1"]})
    assert alone.lend(wish(compiled(loop()).kernels[0])) is None


def test_what_is_given_back_is_closed_once() -> None:
    borrowed, session = Borrowed(), Talkative()
    borrowed.hold("k", Lent(session, "HEAD_3", 1))
    assert borrowed.of("k") is not None
    assert borrowed.of("other") is None
    given = borrowed.give_back("k")
    assert given is not None
    assert session.closed
    assert borrowed.give_back("k") is None


def test_a_stop_ends_what_is_lent_and_what_will_be() -> None:
    borrowed, now, late = Borrowed(), Talkative(), Talkative()
    borrowed.hold("a", Lent(now, "HEAD_3", 1))
    borrowed.stop()
    borrowed.hold("b", Lent(late, "HEAD_4", 1))
    assert now.aborted
    assert late.aborted
