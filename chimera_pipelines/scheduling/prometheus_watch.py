"""What a Prometheus server says of heads, asked by a thread of its own.

Whoever chooses heads may hold a lock that every head's thread needs, and must wait for nobody: a
server may be slow, and looking its name up has no time limit at all. So answers are kept, and the
last one serves while the next is on its way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.scheduling.uptime import TIMEOUT_S, Health, PrometheusHealth

# A server that was silent is not asked again for so long.
SILENT_S = 60.0
# An answer that is older says nothing about the present.
STALE_S = 60.0
# For two questions.
PATIENCE_S = 2 * TIMEOUT_S + 1.0

_log = logging.getLogger(__name__)


class PrometheusWatch:
    """One server. Safe for threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._health: Mapping[str, Health] = {}
        self._read_at: float | None = None
        self._failed_at: float | None = None
        self._began: float | None = None
        self._told = False

    def health(self, *, wait_s: float = 0.0) -> Mapping[str, Health]:
        """What it said last, if that is not too old; it is asked again meanwhile.

        A server that does not answer is reported once (CHIM732).

        Args:
            wait_s: for the answer to the question that this asks.
        """
        with self._changed:
            self._ask()
            self._changed.wait_for(lambda: self._began is None, wait_s)
            now = time.monotonic()
            if self._began is not None and now - self._began >= PATIENCE_S:
                self._report(f"CHIM732 prometheus gives no answer within {PATIENCE_S:g} s")
            if self._read_at is None or now - self._read_at > STALE_S:
                return {}
            return self._health

    def _ask(self) -> None:
        now = time.monotonic()
        silent = self._failed_at is not None and now - self._failed_at < SILENT_S
        if self._began is None and not silent:
            self._began = now
            threading.Thread(target=self._read, name="prometheus", daemon=True).start()

    def _read(self) -> None:
        found, failure = None, None
        try:
            found = PrometheusHealth(self._url).read(time.time_ns())
        except SettingsError as error:
            failure = str(error)
        finally:
            self._note(found, failure)

    def _note(self, found: Mapping[str, Health] | None, failure: str | None) -> None:
        with self._changed:
            self._began = None
            if found is not None:
                self._health, self._read_at, self._failed_at = found, time.monotonic(), None
            else:
                self._failed_at = time.monotonic()
                self._report(failure or "CHIM732 prometheus cannot be asked")
            self._changed.notify_all()

    def _report(self, why: str) -> None:
        if not self._told:
            self._told = True
            _log.warning("%s; heads are weighed without uptime and error rate", why)
