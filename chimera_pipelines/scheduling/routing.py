"""A router for a run: reputations from the ledger, the last hour from where settings say."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.scheduling.prometheus_watch import PATIENCE_S, PrometheusWatch
from chimera_pipelines.scheduling.reputation import Reputation, reputations
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.scheduling.uptime import Health, LedgerHealth
from chimera_pipelines.settings import Settings

_log = logging.getLogger(__name__)
# By URL: runs of one process share what a server said.
_watches: dict[str, PrometheusWatch] = {}


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
            return current(ledger, settings, wait_s=0.0)  # a lock may be held
        except SettingsError as error:
            _log.warning("%s; heads keep the reputation that they had", error)
            return {}

    return Router(
        current(ledger, settings),
        seed=int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big"),
        threshold=settings.critical_reputation,
        refresh=again,
    )


def current(
    ledger: Ledger, settings: Settings, *, wait_s: float = PATIENCE_S
) -> dict[str, Reputation]:
    """Reputations now.

    Args:
        ledger: read at once.
        settings: whom to ask for the last hour: Prometheus where they name a server, else the
            ledger.
        wait_s: for Prometheus; what it said last serves without.

    Raises:
        SettingsError: CHIM226, the ledger cannot be used.
    """
    now_ns, url = time.time_ns(), settings.prometheus_url
    found = reputations(ledger, now_ns)
    if url is None:
        return with_health(found, LedgerHealth(ledger).read(now_ns))
    watch = _watches.setdefault(str(url), PrometheusWatch(str(url)))
    return with_health(found, watch.health(wait_s=wait_s))


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
