"""The tiers that work here, short limits, and one call made in a session of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Outcome, Returned
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier, TierReport, probe

SHORT = Limits(
    wall_s=30,
    cpu_s=1,
    memory_bytes=512 * 1024**2,
    processes=8,
    output_bytes=64 * 1024,
    tmp_bytes=4 * 1024**2,
    attachment_bytes=32 * 1024**2,
    start_s=60,
)

RunOnce = Callable[..., Outcome]


def _report(tier: Tier) -> TierReport:
    return next(report for report in probe() if report.tier is tier)


def _working(tier: Tier) -> Tier:
    if not _report(tier).works:
        pytest.skip(f"{tier} does not work here: {_report(tier).detail}")
    return tier


@pytest.fixture(params=list(Tier), ids=str)
def any_tier(request: pytest.FixtureRequest) -> Tier:
    return _working(request.param)


@pytest.fixture(params=[Tier.BUBBLEWRAP, Tier.LANDLOCK], ids=str)
def tier(request: pytest.FixtureRequest) -> Tier:
    """A tier that holds strangers."""
    return _working(request.param)


@pytest.fixture
def limits() -> Limits:
    return SHORT


@pytest.fixture
def cheap_tier() -> Tier:
    """Some tier, for what is the same in all."""
    return next(report.tier for report in probe() if report.works)


def run_once(tier: Tier, source: str, *, limits: Limits = SHORT, timeout_s: float = 20) -> Outcome:
    """The outcome of `run()` in a fresh session."""
    with Session(tier, limits) as session:
        loaded = session.load("k", source)
        if not isinstance(loaded, Returned):
            return loaded
        return session.call("k", "run", {}, timeout_s=timeout_s)
