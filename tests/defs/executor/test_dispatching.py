from dataclasses import replace

import pytest

from chimera_pipelines.defs.executor.chains import Dispatch
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import PATIENCE, NoHeadError, Router
from chimera_pipelines.settings import HEAD_IDS


def waits(name, heads=HEAD_IDS, since=0.0, *, first=False):
    return Dispatch(name, [f"{name}.embed", f"{name}.propagate"], tuple(heads), since, first)


def gone(head, code="CHIM716"):
    return Death(head, Incarnation("a", 1), "a reason", final=True, code=code)


@pytest.fixture
def queue():
    return Dispatching(Router(), HEAD_IDS)


def test_nothing_goes_anywhere_while_no_head_is_free(queue):
    queue.waiting.append(waits("a", ["HEAD_1"]))
    queue.running["HEAD_1"] = waits("b")
    assert queue.pick([], {"HEAD_1"}, []) is None


def test_a_head_that_is_not_up_is_taken_when_no_other_is_free(queue):
    queue.waiting.append(waits("a", ["HEAD_3"]))
    work, head = queue.pick([], set(), [])
    assert (work.id, head) == ("a", "HEAD_3")


def test_a_kernel_goes_back_to_the_head_that_holds_its_registers(queue):
    for head in HEAD_IDS:
        work = waits("a")
        queue.waiting.append(work)
        queue.assign(work, head)
        del queue.running[head]
        for _ in range(8):
            queue.waiting[:] = [waits("a")]
            assert queue.pick(HEAD_IDS, set(HEAD_IDS), [])[1] == head


def test_a_dead_head_holds_nothing(queue):
    work = waits("a", ["HEAD_1", "HEAD_2"])
    queue.waiting.append(work)
    queue.assign(work, "HEAD_1")
    queue.forget_registers("HEAD_1")
    del queue.running["HEAD_1"]
    queue.waiting.append(waits("a", ["HEAD_1", "HEAD_2"]))
    assert {queue.pick(["HEAD_1", "HEAD_2"], set(HEAD_IDS), [])[1] for _ in range(1)} <= {
        "HEAD_1",
        "HEAD_2",
    }
    assert queue.pick(["HEAD_2"], set(HEAD_IDS) - {"HEAD_1"}, []) is not None


def test_what_lost_its_head_goes_first(queue):
    queue.waiting += [waits("old", since=1.0), waits("again", since=2.0, first=True)]
    assert queue.pick(["HEAD_1"], set(HEAD_IDS), [])[0].id == "again"


def test_what_no_head_can_run_is_named(queue):
    queue.waiting += [waits("a"), waits("b", ["HEAD_9"])]
    with pytest.raises(NoHeadError) as error:
        queue.pick(["HEAD_1"], set(HEAD_IDS), [])
    assert (error.value.code, error.value.job.key) == ("CHIM730", "b")


@pytest.mark.parametrize("code", ["CHIM714", "CHIM716"])
def test_what_only_a_head_could_run_that_was_given_up_says_so(queue, code):
    queue.give_up(gone("HEAD_1", code))
    queue.waiting += [waits("b"), waits("a", ["HEAD_1"])]
    with pytest.raises(NoHeadError) as error:
        queue.pick([], set(HEAD_IDS), [])
    assert error.value.job.key == "a"
    assert error.value.code == ("CHIM714" if code == "CHIM714" else "CHIM762")
    assert "'a'" in error.value.message
    assert "HEAD_1: a reason" in error.value.message


def test_a_head_that_was_given_up_twice_and_comes_back_gets_work_again(queue):
    queue.give_up(gone("HEAD_1"))
    queue.give_up(gone("HEAD_1"))
    queue.came_back("HEAD_1")
    assert queue.heads == list(HEAD_IDS)
    queue.waiting.append(waits("a", ["HEAD_1"]))
    assert queue.pick(["HEAD_1"], set(HEAD_IDS), [])[1] == "HEAD_1"


def test_what_was_not_sent_waits_again_before_the_others(queue):
    first, second = waits("a"), waits("b")
    queue.waiting += [first, second]
    queue.assign(second, "HEAD_1")
    queue.unassign("HEAD_1")
    assert queue.waiting == [second, first]
    assert queue.running == {}


def test_a_retry_keeps_away_from_the_head_that_failed_it(queue):
    both = ["HEAD_1", "HEAD_2"]
    first = waits("a", both)
    queue.waiting.append(first)
    queue.assign(first, "HEAD_1")
    del queue.running["HEAD_1"]
    queue.failed("a.embed", "HEAD_1")
    for _ in range(8):
        queue.waiting[:] = [waits("a", both)]
        assert queue.pick(both, set(HEAD_IDS), [])[1] == "HEAD_2"


def test_a_retry_runs_where_it_failed_when_there_is_no_other_head(queue):
    queue.failed("a.embed", "HEAD_1")
    queue.waiting.append(waits("a", ["HEAD_1"]))
    assert queue.pick(["HEAD_1"], set(HEAD_IDS), [])[1] == "HEAD_1"


def test_the_other_kernels_do_not_mind(queue):
    queue.failed("a.embed", "HEAD_1")
    queue.waiting.append(waits("b", ["HEAD_1", "HEAD_2"]))
    assert queue.pick(["HEAD_1"], set(HEAD_IDS), [])[1] == "HEAD_1"


def test_a_critical_kernel_is_not_tried_again_on_a_degraded_head():
    degraded = Reputation("HEAD_1", alpha=9.0, beta=1.0, streak=1)
    queue = Dispatching(Router({"HEAD_1": degraded}), ["HEAD_1"])
    work = replace(waits("a", ["HEAD_1"]), critical=True)
    queue.waiting.append(work)
    assert queue.pick(["HEAD_1"], {"HEAD_1"}, []) == (work, "HEAD_1")
    queue.failed("a.embed", "HEAD_1")
    queue.waiting[:] = [replace(waits("a", ["HEAD_1"]), critical=True)]
    with pytest.raises(NoHeadError) as error:
        queue.pick(["HEAD_1"], {"HEAD_1"}, [])
    assert error.value.job.attempt == 2


def test_the_router_is_told_what_the_plain_runner_tells_it(queue, monkeypatch):
    """Kind of work (speeds), names for messages, what is busy, what is cold, and the time."""
    asked = {}

    def choose(waiting, idle, **options):
        asked.update(options, job=waiting[0], idle=idle)

    monkeypatch.setattr(queue._router, "choose", choose)
    found = replace(waits("doc__vqe"), kernel="vqe", work="qiskit:abc", tags=("qiskit",))
    queue.waiting.append(found)
    queue.running["HEAD_1"] = waits("b")
    queue.pick(["HEAD_2"], {"HEAD_1", "HEAD_2"}, ["HEAD_3"])
    job = asked.pop("job")
    assert (job.kernel, job.work, job.tags) == ("vqe", "qiskit:abc", ("qiskit",))
    assert (job.attempt, job.avoid) == (1, ())
    assert asked.pop("now") > 0
    assert asked == {"busy": ["HEAD_1"], "cold": ["HEAD_4"], "idle": ["HEAD_2", "HEAD_3", "HEAD_4"]}


def test_what_waited_too_long_goes_before_what_a_death_interrupted(queue):
    queue.waiting.append(waits("old", ["HEAD_1"]))
    for number in range(PATIENCE):
        queue.waiting.append(waits(f"again{number}", ["HEAD_1"], since=1.0, first=True))
        work, _ = queue.pick(["HEAD_1"], set(HEAD_IDS), [])
        assert work.id != "old"
        queue.waiting.remove(work)
    queue.waiting.append(waits("one_more", ["HEAD_1"], since=1.0, first=True))
    assert queue.pick(["HEAD_1"], set(HEAD_IDS), [])[0].id == "old"
