import pytest

from chimera_pipelines.defs._dagster_internals import create_execution_plan
from chimera_pipelines.defs.executor.chains import Chains, candidates, kernel_of
from chimera_pipelines.settings import HEAD_IDS
from tests.defs.executor import jobs


@pytest.fixture
def started(monkeypatch):
    """Makes chains of a job, and says which keys a ready step takes along."""

    def make(job):
        plan = create_execution_plan(jobs.build(job, "in_process"))
        chains = Chains(plan)

        def start(key, taken=()):
            return chains.start_from(plan.get_step_by_key(key), set(taken))

        return chains, start

    return make


def test_candidates_are_those_named_in_their_order_or_all():
    assert candidates({"chimera/heads": "HEAD_2,HEAD_1"}) == ("HEAD_2", "HEAD_1")
    assert candidates({}) == candidates({"chimera/heads": ""}) == HEAD_IDS
    assert (kernel_of("doc__vqe.embed"), kernel_of("alone")) == ("doc__vqe", "")


def test_five_phases_are_one_chain_on_heads_that_may_run_all(started):
    _, start = started("twenty")
    keys, heads = start("k1.deserialize")
    assert keys == [f"k1.{name}" for name in jobs.PHASES]
    assert heads == ("HEAD_1", "HEAD_2")


def test_a_chain_leaves_out_what_another_dispatch_has(started):
    _, start = started("twenty")
    keys, _ = start("k1.deserialize", taken={"k1.measure"})
    assert keys == ["k1.deserialize", "k1.embed", "k1.propagate"]


def test_a_chain_never_takes_steps_of_another_kernel(started):
    _, start = started("serial")
    assert start("k0.deserialize")[0][-1] == "k0.feedback"


def test_a_step_that_stands_alone_is_no_chain(started):
    _, start = started("features")
    assert start("s2")[0] == ["s2"]


def test_a_step_with_a_pool_starts_alone(started):
    _, start = started("in_a_pool")
    assert start("source")[0] == ["source"]


def test_a_step_whose_optional_input_was_not_yielded_is_left_to_dagster(started):
    chains, start = started("half")
    run = jobs.build("half", "in_process").execute_in_process()
    chains.saw(event for event in run.all_events if event.step_key == "half_yielded.branch")
    assert start("half_yielded.s2")[0] == ["half_yielded.s2", "half_yielded.after"]


def test_a_step_joins_when_the_rest_of_what_it_waits_for_is_done(started):
    chains, start = started("assets")
    before, _ = start("doc__join.deserialize")
    assert before == [f"doc__join.{name}" for name in jobs.PHASES]
    assert chains is not None
