"""What a head's past says of its next kernel: a beta distribution that forgets.

A head's reputation is Beta(alpha, beta) over the chance that it does a kernel well: prior plus good
and bad evidence (Jøsang and Ismail, The Beta Reputation System, 2002). Evidence fades in two ways:

* with each further observation, to one half after `HALF_LIFE` of them. A burst after a repair
  outweighs what was before, and the sum of all weights stays below 47: no past is so good that new
  failures go unseen, and the chance stays uncertain enough to be tried again (discounted Thompson
  sampling: Raj and Kalyani, Taming Non-stationary Bandits, 2017).
* with time, to one half after `HALF_LIFE_S`. A head that gets no work drifts back to the prior,
  so that a bad day shuts out no head for ever.

Evidence is a ticket that verified, or a death (`Ledger.observations`). What a document does wrong
speaks of no head. A ticket that is good counts half against its head when it took far longer than
the head itself takes for that kind of work: median and MAD of the logarithms of its last durations.

A standing is folded forward from the latest one in the ledger; whoever has folded `SUMMARY_EVERY`
observations writes the sum down, so that reading costs the same after a million tickets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from chimera_pipelines.ledger.evidence import Observation, StandingRow, blame
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.settings import HEAD_IDS
from chimera_pipelines.timestamps import NS, instant

# Four good kernels and a bad one: a new head may run critical ones, and four deaths in a row
# without a good kernel end that (threshold 0.5).
PRIOR = (4.0, 1.0)
# 16 saves 2 % of deaths in benchmarks/router.py and makes the mean shake half as much again.
HALF_LIFE = 32.0
HALF_LIFE_S = 86_400.0
SUMMARY_EVERY = 64
# Durations kept of a kind of work, and kinds kept of a head: the standing stays a few kilobytes.
WINDOW = 15
WORKS = 48
# A duration is judged against at least so many; slow is 4 robust deviations and half as long again.
_ENOUGH = 7
_DEVIATIONS = 4.0
_LEAST_RATIO = math.log(1.5)
_MAD_TO_SIGMA = 1.4826
_VERSION = 1
# A head that hands on false bytes is worse than one that dies: what its end is then said to be for.
_FALSE = ("CHIM713", "CHIM224", "corrupt", "signature")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an observation weighs: for the head, and against it."""

    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class Reputation:
    """A head's reputation at a moment.

    Attributes:
        alpha, beta: of the beta distribution, prior included.
        streak: how many of the latest observations in a row were bad.
        observations: how many there were in all.
        seconds: typical duration by kind of work.
        uptime: share of the recent past in which it was not dead, 0 … 1.
        error_rate: share of its recent invocations that failed by its fault, 0 … 1.
    """

    head: str
    alpha: float = PRIOR[0]
    beta: float = PRIOR[1]
    streak: int = 0
    observations: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    uptime: float = 1.0
    error_rate: float = 0.0

    @property
    def mean(self) -> float:
        """Expected share of kernels done well."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def degraded(self) -> bool:
        """Whether the last thing that was heard of it was bad."""
        return self.streak > 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The sum over a head's observations up to one of them.

    Attributes:
        upto: id of the last observation.
        time_ns: to which moment evidence has faded.
        good, bad: evidence without the prior.
        works: logarithms of the last durations by kind of work, the latest kind last.
    """

    upto: int = 0
    time_ns: int = 0
    good: float = 0.0
    bad: float = 0.0
    streak: int = 0
    observations: int = 0
    works: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def after(self, observation: Observation) -> Standing:
        """The standing with one more observation.

        One that is older than the standing counts as if it had come in time: what fades with time
        alone would be the same in any order.
        """
        now = instant(observation.timestamp) or self.time_ns
        late = _faded(self.time_ns - now)
        weight = weigh(observation, slow=self._is_slow(observation))
        counts = weight.good + weight.bad > 0
        kept = _faded(now - self.time_ns) * (0.5 ** (1 / HALF_LIFE) if counts else 1.0)
        bad = weight.bad > weight.good
        return Standing(
            upto=observation.id,
            time_ns=max(now, self.time_ns),
            good=self.good * kept + weight.good * late,
            bad=self.bad * kept + weight.bad * late,
            streak=(self.streak + 1 if bad else 0) if counts else self.streak,
            observations=self.observations + 1,
            works=self._works(observation),
        )

    def at(self, head: str, now_ns: int) -> Reputation:
        """The reputation at a moment."""
        kept = _faded(now_ns - self.time_ns)
        return Reputation(
            head,
            PRIOR[0] + self.good * kept,
            PRIOR[1] + self.bad * kept,
            self.streak,
            self.observations,
            {work: math.exp(median(window)) for work, window in self.works.items()},
        )

    def _is_slow(self, observation: Observation) -> bool:
        window = self.works.get(observation.work or "", ())
        if not _timed(observation) or len(window) < _ENOUGH:
            return False
        middle = median(window)
        spread = _MAD_TO_SIGMA * median(abs(value - middle) for value in window)
        limit = middle + max(_LEAST_RATIO, _DEVIATIONS * spread)
        return math.log(observation.seconds or 1.0) > limit

    def _works(self, observation: Observation) -> Mapping[str, tuple[float, ...]]:
        if not _timed(observation):
            return self.works
        work, works = observation.work or "", dict(self.works)
        window = (*works.pop(work, ()), round(math.log(observation.seconds or 1.0), 6))
        works[work] = window[-WINDOW:]
        while len(works) > WORKS:
            works.pop(next(iter(works)))
        return works

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it; floats keep every bit."""
        return {
            "version": _VERSION,
            "time": str(self.time_ns),
            "good": self.good,
            "bad": self.bad,
            "streak": self.streak,
            "observations": self.observations,
            "works": [[work, list(window)] for work, window in self.works.items()],
        }

    @classmethod
    def from_json(cls, upto: int, value: Mapping[str, Any]) -> Standing:
        """Read `to_json` back; of another version nothing is taken over."""
        if value.get("version") != _VERSION:
            return cls()
        return cls(
            upto,
            int(value["time"]),
            float(value["good"]),
            float(value["bad"]),
            int(value["streak"]),
            int(value["observations"]),
            {work: tuple(window) for work, window in value["works"]},
        )


def weigh(observation: Observation, *, slow: bool = False) -> Evidence:
    """What an observation says; a slow good ticket half of both."""
    fault = blame(observation)
    if fault:
        false = any(word in observation.status for word in _FALSE)
        return Evidence(0.0, 2.0 if false else fault)
    if observation.status == "failed":
        return Evidence(0.0, 0.0)
    return Evidence(0.5, 0.5) if slow else Evidence(1.0, 0.0)


def fold(standing: Standing, observations: Iterable[Observation]) -> Standing:
    """The standing after all of them."""
    for observation in observations:
        standing = standing.after(observation)
    return standing


def standing_of(ledger: Ledger, head: str) -> Standing:
    """A head's standing now; a sum that took long is written down for the next reader."""
    row = ledger.standing(head)
    found = Standing() if row is None else Standing.from_json(row.upto, row.state)
    folded = False
    while len(more := ledger.observations(head, found.upto, SUMMARY_EVERY)) == SUMMARY_EVERY:
        found, folded = fold(found, more), True
    if folded:
        ledger.record_standing(StandingRow(head, found.upto, found.to_json()))
    return fold(found, more)


def reputations(
    ledger: Ledger, now_ns: int, heads: Iterable[str] = HEAD_IDS
) -> dict[str, Reputation]:
    """The reputation of each head at a moment, from the ledger."""
    return {head: standing_of(ledger, head).at(head, now_ns) for head in heads}


def _timed(observation: Observation) -> bool:
    done = observation.source == "ticket" and observation.status != "failed"
    return done and observation.work is not None and (observation.seconds or 0.0) > 0.0


def _faded(elapsed_ns: int) -> float:
    """What evidence is worth after a time; never more than it was."""
    return float(0.5 ** (max(0, elapsed_ns) / NS / HALF_LIFE_S))
