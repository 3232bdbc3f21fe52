"""What is said of waiting, and when; the clock is the test's."""

from types import SimpleNamespace

import pytest

from chimera_pipelines.defs.executor import waits
from chimera_pipelines.defs.executor.chains import Dispatch
from chimera_pipelines.errors import UsageError


class Log:
    def __init__(self):
        self.said = []

    def say(self, message, metadata=None, *, step=None, error=None):
        self.said.append((error.code, step, message))


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(waits, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def log():
    return Log()


def step(key, *, timeout=None, pool=None):
    return SimpleNamespace(key=key, pool=pool, tags={waits.TIMEOUT_TAG: timeout} if timeout else {})


def looking(log, *steps, limits=None):
    """Waits of an instance whose pools have these limits."""
    found = [SimpleNamespace(name=name, limit=limit) for name, limit in (limits or {}).items()]
    storage = SimpleNamespace(get_pool_limits=lambda: found)
    return waits.Waits(steps, log, SimpleNamespace(event_log_storage=storage), 20.0)


def test_a_dispatch_is_spoken_of_after_a_while_and_again_later(clock, log):
    found = looking(log)
    queue = [Dispatch("w", ["k.embed"], ("HEAD_1", "HEAD_9"), since=clock.now)]
    found.waiting(queue, {"HEAD_1": "runs 'a'"})
    assert log.said == []
    clock.now += waits.SAY_SECONDS
    for _ in range(3):
        found.waiting(queue, {"HEAD_1": "runs 'a'"})
    text = "'k.embed' waits for a head: HEAD_1 runs 'a', HEAD_9 is not there"
    assert log.said == [("CHIM631", "k.embed", text)]
    clock.now += waits.AGAIN_SECONDS
    found.waiting(queue, {})
    assert len(log.said) == 2


@pytest.mark.parametrize("timeout", [None, "soon", "0", "-1"])
def test_a_step_without_a_limit_is_never_overdue(clock, log, timeout):
    found = looking(log, step("k.embed", timeout=timeout))
    work = Dispatch("w", ["k.embed"], ("HEAD_1",), 0.0, current="k.embed", started=clock.now)
    clock.now += 1e6
    assert found.overdue({"HEAD_1": work}) == []


def test_a_step_is_overdue_from_when_it_started(clock, log):
    found = looking(log, step("k.embed", timeout="5"), step("k.measure", timeout="5"))
    work = Dispatch("w", ["k.embed"], ("HEAD_1",), 0.0, current="k.embed", started=clock.now)
    between = Dispatch("v", ["k.measure"], ("HEAD_2",), 0.0)
    clock.now += 5.0
    assert found.overdue({"HEAD_1": work, "HEAD_2": between}) == []
    clock.now += 0.1
    ((head, error),) = found.overdue({"HEAD_1": work, "HEAD_2": between})
    assert (head, error.code) == ("HEAD_1", "CHIM634")


def test_a_pool_without_slots_is_named_once_and_then_ends_the_run(clock, log):
    found = looking(log, step("k.embed", pool="qpu"), limits={"qpu": 0})
    for _ in range(3):
        found.pools()
    assert [code for code, *_ in log.said] == ["CHIM633"]
    clock.now += 21.0
    with pytest.raises(UsageError, match="pool 'qpu', which has none"):
        found.pools()


def test_a_pool_that_was_opened_meanwhile_counts_from_anew(clock, log):
    limits = {"qpu": 0}
    found = looking(log, step("k.embed", pool="qpu"), limits=limits)
    found.pools()
    clock.now += 15.0
    pools = [SimpleNamespace(name="qpu", limit=1)]
    found._instance.event_log_storage.get_pool_limits = lambda: pools
    found.pools()
    clock.now += 15.0
    pools[0].limit = 0
    found.pools()
    clock.now += waits.POOLS_SECONDS
    found.pools()
    assert len(log.said) == 2


def test_a_run_without_pools_asks_for_none(clock, log):
    found = waits.Waits([step("k.embed")], log, None, 20.0)
    found.pools()
