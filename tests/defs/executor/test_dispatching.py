import pytest

from chimera_pipelines.defs.executor.chains import Dispatch
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.scheduling.router import NoHeadError, Router
from chimera_pipelines.settings import HEAD_IDS


def waits(name, heads=HEAD_IDS, since=0.0, *, first=False):
    return Dispatch(name, [f"{name}.embed", f"{name}.propagate"], tuple(heads), since, first)


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


def test_a_head_that_was_given_up_gets_nothing(queue):
    queue.give_up("HEAD_1")
    queue.waiting.append(waits("a", ["HEAD_1"]))
    with pytest.raises(NoHeadError):
        queue.pick(["HEAD_2"], set(HEAD_IDS), [])


def test_what_was_not_sent_waits_again_before_the_others(queue):
    first, second = waits("a"), waits("b")
    queue.waiting += [first, second]
    queue.assign(second, "HEAD_1")
    queue.unassign("HEAD_1")
    assert queue.waiting == [second, first]
    assert queue.running == {}
