from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from chimera_pipelines.errors import SandboxUnavailableError
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Returned
from chimera_pipelines.sandbox.pool import SessionPool
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier


def _stocked(pool: SessionPool, count: int) -> bool:
    for _ in range(1500):
        if len(pool._spares) >= count:
            return True
        time.sleep(0.02)
    return False


def test_spares_are_ready_single_use_and_replaced(cheap_tier: Tier, limits: Limits) -> None:
    with SessionPool(cheap_tier, limits, size=1) as pool:
        pool.warm(("json",))
        assert _stocked(pool, 1)
        spare = pool._spares[0]
        first = pool.acquire(("json",))
        assert first is spare
        assert first.ready
        second = pool.acquire(("json",))
        assert second is not first
        for session in (first, second):
            with session:
                assert session.load("a", "x = globals().get('x', 0) + 1\ndef run(): return x") == (
                    Returned(None)
                )
                assert session.call("a", "run", {}) == Returned(1)


def test_there_are_never_more_spares_than_its_size(cheap_tier: Tier, limits: Limits) -> None:
    with SessionPool(cheap_tier, limits, size=2) as pool:
        for flavour in (("json",), ("csv",), ("ast",)):
            pool.warm(flavour, count=2)
        assert _stocked(pool, 2)
        pool.acquire(("decimal",)).close()
        assert len(pool._spares) == 2
        assert {spare.preload for spare in pool._spares} < {("ast",), ("csv",), ("json",)}


def test_a_count_that_is_used_up_starts_no_more(cheap_tier: Tier, limits: Limits) -> None:
    with SessionPool(cheap_tier, limits, size=2) as pool:
        pool.warm(("json",), count=1)
        pool.acquire(("json",)).close()
        pool.acquire(("json",)).close()
        with pool._changed:
            assert pool._starting is None
            assert pool._spares == []
            assert pool._wanted == {("json",): 0}


def test_flavours_are_kept_apart(cheap_tier: Tier, limits: Limits) -> None:
    with SessionPool(cheap_tier, limits, size=1) as pool:
        pool.warm(("json",), count=1)
        assert _stocked(pool, 1)
        with pool.acquire(("csv",)) as session:
            assert session.preload == ("csv",)
        assert len(pool._spares) == 1


def test_threads_get_different_sessions(cheap_tier: Tier, limits: Limits) -> None:
    taken: list[Session] = []
    with SessionPool(cheap_tier, limits, size=2) as pool:
        pool.warm(("json",), count=4)
        threads = [
            threading.Thread(target=lambda: taken.append(pool.acquire(("json",)))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(session) for session in taken}) == 4
        for session in taken:
            with session:
                assert session.load("a", "def run(): return {}") == Returned(None)


def test_closing_ends_spares_and_those_that_start(cheap_tier: Tier, limits: Limits) -> None:
    pool = SessionPool(cheap_tier, limits, size=2)
    pool.warm(("json",))
    assert _stocked(pool, 1)
    spare = pool._spares[0]
    pool.warm(("qiskit",))
    pool.close()
    pool.close()
    assert spare.load("a", "").signal == "closed"  # type: ignore[union-attr]
    assert pool._thread is not None
    assert not pool._thread.is_alive()
    with pytest.raises(SandboxUnavailableError, match="closed"):
        pool.acquire(("json",))
    pool.warm(("json",))


def test_a_flavour_that_does_not_start_is_told_to_whoever_asks(
    cheap_tier: Tier, limits: Limits
) -> None:
    with SessionPool(cheap_tier, limits, size=1) as pool:
        pool.warm(("no_such_module",))
        with pytest.raises(SandboxUnavailableError, match="no_such_module"):
            pool.acquire(("no_such_module",))


def test_a_pool_without_spares_works(cheap_tier: Tier, limits: Limits) -> None:
    with SessionPool(cheap_tier, limits, size=0) as pool:
        pool.warm(("json",))
        assert pool._thread is None
        pool.acquire(("json",)).close()


def test_a_fault_in_the_background_stops_neither_it_nor_who_waits(
    cheap_tier: Tier, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, whole = threading.Event(), threading.Event(), Session.warm_up

    def broken(session: Session) -> None:
        if threading.current_thread() is pool._thread and session.preload == ("csv",):
            begun.set()
            go_on.wait(20)
            raise OSError(24, "too many open files")
        whole(session)

    monkeypatch.setattr(Session, "warm_up", broken)
    with SessionPool(cheap_tier, limits, size=1) as pool:
        pool.warm(("csv",))
        assert begun.wait(20)
        threading.Timer(0.2, go_on.set).start()
        pool.acquire(("csv",)).close()
        pool.warm(("json",))
        assert _stocked(pool, 1)


def test_too_many_open_files_leave_nothing_behind(
    cheap_tier: Tier, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, made = os.pipe, []

    def scarce() -> tuple[int, int]:
        if len(made) == 2:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[-1]

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "pipe", scarce)
    with pytest.raises(SandboxUnavailableError, match="Too many open files") as raised:
        Session(cheap_tier, limits)
    assert raised.value.code == "CHIM301"
    assert len(made) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) == before
