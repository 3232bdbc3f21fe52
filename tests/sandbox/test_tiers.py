from __future__ import annotations

import threading
from functools import lru_cache

import pytest

from chimera_pipelines.errors import ExitCode, SandboxUnavailableError
from chimera_pipelines.sandbox import launch, tiers
from chimera_pipelines.sandbox.tiers import Tier, TierReport, choose, probe


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> set[Tier]:
    """The tiers that shall be taken to work."""
    working: set[Tier] = set()

    def report(tier: Tier) -> TierReport:
        return TierReport(tier, tier in working, f"said of {tier}", f"hint for {tier}")

    monkeypatch.setattr(tiers, "_try", report)
    return working


def test_each_tier_is_reported_strongest_first() -> None:
    reports = probe()
    assert [report.tier for report in reports] == list(Tier)
    assert all(report.detail for report in reports)
    assert reports == probe()


def test_what_the_process_tier_does_not_hold_is_said() -> None:
    report = probe()[-1]
    assert report.works
    assert "not held: read" in report.detail


def test_the_strongest_that_works_is_chosen(works: set[Tier]) -> None:
    works |= set(Tier)
    assert choose("auto") is Tier.BUBBLEWRAP
    works.remove(Tier.BUBBLEWRAP)
    assert choose("auto", trusted=True) is Tier.LANDLOCK
    works.remove(Tier.LANDLOCK)
    assert choose("auto", trusted=True) is Tier.PROCESS
    assert choose("process") is Tier.PROCESS


@pytest.mark.parametrize("requested", ["auto", "bubblewrap", "landlock"])
def test_strangers_never_fall_to_the_process_tier(works: set[Tier], requested: str) -> None:
    works.add(Tier.PROCESS)
    with pytest.raises(SandboxUnavailableError, match="said of") as caught:
        choose(requested)
    assert caught.value.code == "MAML906"
    assert caught.value.exit_code is ExitCode.NO_SANDBOX
    assert caught.value.hint


def test_what_is_asked_for_is_not_replaced(works: set[Tier]) -> None:
    works |= {Tier.BUBBLEWRAP, Tier.PROCESS}
    with pytest.raises(SandboxUnavailableError):
        choose("landlock", trusted=True)


def test_what_is_expected_has_been_tried_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Tier] = []
    begun = threading.Event()

    def attempt(tier: Tier) -> TierReport:
        begun.set()
        tried.append(tier)
        return TierReport(tier, tier is Tier.LANDLOCK, f"said of {tier}", None)

    monkeypatch.setattr(tiers, "_tried", lru_cache(attempt))
    thread = tiers.expect("auto")
    assert begun.wait(60)
    assert choose("auto") is Tier.LANDLOCK
    thread.join()
    assert tried == [Tier.BUBBLEWRAP, Tier.LANDLOCK]


def test_a_failure_that_was_expected_is_told_to_who_asks(works: set[Tier]) -> None:
    tiers.expect("landlock").join()
    with pytest.raises(SandboxUnavailableError, match="said of landlock"):
        choose("landlock")


def test_bubblewrap_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda *_, **__: None)
    report = tiers._tried.__wrapped__(Tier.BUBBLEWRAP)
    assert not report.works
    assert "not installed" in report.detail
    assert report.hint is not None
    assert "bubblewrap" in report.hint


def test_a_tier_that_lets_an_attempt_through_does_not_work() -> None:
    held = {"read": "ENOENT", "write": "EROFS", "socket": "EPERM", "fork": "EAGAIN"}
    assert tiers._judge(Tier.LANDLOCK, dict(held), "layers").works
    for name in held:
        report = tiers._judge(Tier.LANDLOCK, held | {name: "through"}, "layers")
        assert not report.works
        assert name in report.detail
