"""How heads fared in the last hour: uptime and error rate, from the ledger or from Prometheus.

Reputation is slow on purpose; this is the fast part of a head's weight. A Prometheus server that
scrapes `chimera metrics` sees more than the ledger does: a head that is away between two runs. When
`CHIMERA_PROMETHEUS_URL` is set it is asked, and nothing else: an operator who trusts one source
must not get figures of another without a word.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chimera_pipelines.errors import SettingsError
from chimera_pipelines.ledger import evidence
from chimera_pipelines.ledger.evidence import HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.settings import HEAD_IDS
from chimera_pipelines.timestamps import NS, instant

WINDOW_S = 3600
TIMEOUT_S = 2.0
# Errors are counted as if so many good invocations came before: one failure is no rate.
_BEFORE = 5.0
_LATEST = 200
_ANSWER_BYTES = 1 << 20
UPTIME_QUERY = f"avg by (head) (avg_over_time(chimera_head_up[{WINDOW_S}s]))"
OUTCOMES_QUERY = f"sum by (head, outcome) (increase(chimera_head_outcomes_total[{WINDOW_S}s]))"


@dataclass(frozen=True, slots=True)
class Health:
    """How a head fared in the last hour; both 0 … 1."""

    uptime: float = 1.0
    error_rate: float = 0.0


class LedgerHealth:
    """Health from head events and observations of the ledger."""

    def __init__(self, ledger: Ledger, heads: Iterable[str] = HEAD_IDS) -> None:
        self._ledger = ledger
        self._heads = tuple(heads)

    def read(self, now_ns: int) -> dict[str, Health]:
        """Health of every head.

        A head is down from a death until it is regenerated or started; one that nobody has started
        is not down.
        """
        since = now_ns - WINDOW_S * NS
        return {
            head: Health(
                1.0 - min(1.0, self._downtime_s(head, since, now_ns) / WINDOW_S),
                self._error_rate(head, since),
            )
            for head in self._heads
        }

    def _downtime_s(self, head: str, since_ns: int, now_ns: int) -> float:
        return downtime_s(self._ledger.head_events(head, _LATEST), since_ns, now_ns)

    def _error_rate(self, head: str, since_ns: int) -> float:
        recent = [
            one
            for one in self._ledger.latest_observations(head, _LATEST)
            if (instant(one.timestamp) or 0) >= since_ns
        ]
        return error_rate(sum(evidence.blame(one) for one in recent), len(recent))


class PrometheusHealth:
    """Health from a Prometheus server's HTTP API.

    Args:
        url: of the server, with or without a path behind which it is served; a user and password
            in it are sent as basic authentication.

    Raises:
        SettingsError: CHIM732, it is no http or https address.
    """

    def __init__(self, url: str) -> None:
        self._headers: dict[str, str] = {}
        try:
            parts = urllib.parse.urlsplit(url)
            user, _, host = parts.netloc.rpartition("@")
            self._url = parts._replace(netloc=host, query="", fragment="").geturl().rstrip("/")
        except ValueError:
            raise SettingsError("CHIM732", "CHIMERA_PROMETHEUS_URL is no address") from None
        if parts.scheme not in {"http", "https"} or not host:
            raise self._unusable(ValueError("it is no http or https address"))
        if user:
            login = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"

    def read(self, now_ns: int) -> dict[str, Health]:
        """Health of the heads that the server has scraped.

        Raises:
            SettingsError: CHIM732, it gives no answer that can be used.
        """
        uptimes = {labels["head"]: value for labels, value in self._ask(UPTIME_QUERY, "head")}
        outcomes: dict[str, dict[str, float]] = {}
        for labels, value in self._ask(OUTCOMES_QUERY, "head", "outcome"):
            outcomes.setdefault(labels["head"], {})[labels["outcome"]] = max(0.0, value)
        return {
            head: Health(
                min(1.0, max(0.0, uptimes.get(head, 1.0))),
                error_rate(found.get("fault", 0.0), sum(found.values())),
            )
            for head in sorted({*uptimes, *outcomes})
            for found in (outcomes.get(head, {}),)
        }

    def _ask(self, query: str, *labels: str) -> list[tuple[Mapping[str, str], float]]:
        """The samples of an instant query that have these labels and a finite value."""
        try:
            return [
                (sample["metric"], value)
                for sample in _samples(self._get(query))
                if all(label in sample["metric"] for label in labels)
                and math.isfinite(value := float(sample["value"][1]))
            ]
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
            raise self._unusable(error) from None

    def _get(self, query: str) -> Any:
        asked = urllib.parse.urlencode({"query": query, "timeout": f"{TIMEOUT_S:g}s"})
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            f"{self._url}/api/v1/query?{asked}", headers=self._headers
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            return json.loads(answer.read(_ANSWER_BYTES))

    def _unusable(self, error: Exception) -> SettingsError:
        return SettingsError(
            "CHIM732",
            f"prometheus '{self._url}' gives no usable answer: {_reason(error)}",
            hint="look at CHIMERA_PROMETHEUS_URL; without it the ledger is read",
        )


def error_rate(errors: float, count: float) -> float:
    """Share of errors, drawn towards none while there are few observations."""
    return min(1.0, errors / (count + _BEFORE))


def downtime_s(events: Sequence[HeadEvent], since_ns: int, now_ns: int) -> float:
    """Seconds within a time between deaths and what came after them.

    Args:
        events: of one head, newest first.
        since_ns, now_ns: the time. A regeneration whose death is not on record tells itself how
            long the head was away.
    """
    away: list[tuple[int, int]] = []
    died: int | None = None
    for event in reversed(events):
        moment = instant(event.timestamp) or 0
        if event.event == evidence.DEATH:
            died = moment if died is None else died
        else:
            away.append((moment - _told_ns(event) if died is None else died, moment))
            died = None
    if died is not None:
        away.append((died, now_ns))
    return sum(max(0, end - max(begin, since_ns)) for begin, end in away) / NS


def _told_ns(event: HeadEvent) -> int:
    seconds = event.detail.get("seconds")
    asked = event.detail.get("reason") in evidence.ASKED
    told = event.event == evidence.REGENERATION and not asked
    return int(seconds * NS) if told and isinstance(seconds, int | float) else 0


def _samples(answer: Any) -> list[Any]:
    if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
        raise ValueError(str(answer.get("error", "not an instant vector")))
    found: list[Any] = answer["data"]["result"]
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason).lower()
    return str(error).lower() or type(error).__name__.lower()
