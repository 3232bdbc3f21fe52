"""A router for a run: reputations from the ledger, the last hour from where settings say."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling.reputation import Reputation, reputations
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.scheduling.uptime import (
    Health,
    HealthSource,
    LedgerHealth,
    PrometheusHealth,
)
from chimera_pipelines.settings import Settings

_log = logging.getLogger(__name__)
# A server that was silent is not asked again for so long: each try may hold up the dispatcher.
SILENT_S = 60.0
# When a server was found silent, by the monotonic clock. It is reported once in a process.
_silent: dict[str, float] = {}


def open_router(ledger: Ledger, settings: Settings, *, run_id: str) -> Router:
    """The router of a run, whose draws follow from its id.

    A Prometheus server that does not answer is reported once (CHIM732), and heads are weighed
    without uptime and error rate: it must not stop runs. Nor does a ledger that goes away later.

    Args:
        ledger: read now and from time to time; the router opens it again where it was closed.
        settings: of this process.
        run_id: seeds the draws.
    """

    def again() -> dict[str, Reputation]:
        try:
            return current(ledger, settings)
        except SettingsError as error:
            _log.warning("%s; heads keep the reputation that they had", error)
            return {}

    return Router(
        current(ledger, settings),
        seed=int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big"),
        threshold=settings.critical_reputation,
        refresh=again,
    )


def current(ledger: Ledger, settings: Settings) -> dict[str, Reputation]:
    """Reputations now.

    Raises:
        SettingsError: CHIM226, the ledger cannot be used.
    """
    now_ns, url = time.time_ns(), str(settings.prometheus_url)
    found = reputations(ledger, now_ns)
    if url in _silent and time.monotonic() - _silent[url] < SILENT_S:
        return found
    try:
        return with_health(found, health_source(ledger, settings).read(now_ns))
    except SettingsError as error:
        if error.code != "CHIM732":
            raise
        if url not in _silent:
            _log.warning("%s; heads are weighed without uptime and error rate", error)
        _silent[url] = time.monotonic()
        return found


def health_source(ledger: Ledger, settings: Settings) -> HealthSource:
    """Prometheus when settings name a server, else the ledger."""
    url = settings.prometheus_url
    return LedgerHealth(ledger) if url is None else PrometheusHealth(url)


def with_health(
    found: Mapping[str, Reputation], health: Mapping[str, Health]
) -> dict[str, Reputation]:
    """Reputations with what the last hour says; a head of which it says nothing keeps its own."""
    return {
        head: replace(one, uptime=health[head].uptime, error_rate=health[head].error_rate)
        if head in health
        else one
        for head, one in found.items()
    }
