"""What `/metrics` says: counters from the ledger, gauges from the heads (docs/metrics.md).

Steps come and go, so nobody could scrape them. What happened is in the ledger, which loses nothing
when a process ends; what is, the heads say when they are asked. No label names a run, a document, a
kernel or a user: their number has no end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chimera_pipelines import __version__
from chimera_pipelines.ledger.counts import Counts, Distribution
from chimera_pipelines.ledger.tallies import TALLIES
from chimera_pipelines.settings import HEAD_IDS

# Series that exist before the first event, so that a rate sees it.
_KINDS = ("ai", "quantum")
_OUTCOMES = ("failed", "ok", "reused")
_FROM_START: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "checkpoint_shares_repaired": (("repair",),),
    "ledger_mismatches": ((),),
    "ticket_verifications": (("failed",), ("ok",)),
}
_TALLY_HELP = {
    "checkpoint_shares_repaired": "Shares written anew because they were missing or damaged.",
    "decoder_errors": "Logical errors of a decoder.",
    "decoder_shots": "Shots that a decoder decoded.",
    "ledger_mismatches": "Entries on which ledger, History and event log do not agree.",
    "ticket_verifications": "Tickets verified after they were written.",
}


@dataclass(frozen=True, slots=True)
class HeadReading:
    """What a head is at the moment.

    Attributes:
        up: its process answers; false while it is started or regenerated.
        busy: it performs a step.
        queued: kernels that wait in front of it.
        reputation: expected share of kernels done well, 0 … 1.
    """

    head: str
    kind: str
    up: bool
    busy: bool
    queued: int
    reputation: float


class ChimeraCollector(Collector):
    """All metrics at the moment of a scrape.

    Args:
        counts: totals over the ledger.
        heads: the heads as they are.

    Errors of both are raised by `collect`.
    """

    def __init__(
        self, counts: Callable[[], Counts], heads: Callable[[], Sequence[HeadReading]]
    ) -> None:
        self._counts = counts
        self._heads = heads

    def collect(self) -> Iterator[Metric]:
        """The metrics, in the order of docs/metrics.md."""
        counts, heads = self._counts(), self._heads()
        yield from _of_kernels(counts)
        yield from _of_heads(heads)
        yield _outcomes(counts)
        yield from _queues(heads, counts)
        yield _checkpoint_bytes(counts)
        yield from _of_tallies(counts)
        yield CounterMetricFamily(
            "chimera_ledger_entries", "Rows of the ledger's hash chain.", value=counts.entries
        )
        build = InfoMetricFamily("chimera_build", "Version of chimera-pipelines.")
        build.add_metric([], {"version": __version__})
        yield build


def _of_kernels(counts: Counts) -> Iterator[Metric]:
    phases = HistogramMetricFamily(
        "chimera_phase_duration_seconds",
        "Wall clock of a phase of a kernel.",
        labels=("phase", "kind", "outcome"),
    )
    for labels, found in sorted(counts.phases.items()):
        _add(phases, labels, found)
    yield phases
    blocks = CounterMetricFamily(
        "chimera_blocks", "Kernels that ended with a ticket.", labels=("kind", "outcome")
    )
    known = {(kind, outcome) for kind in _KINDS for outcome in _OUTCOMES}
    for pair in sorted(known | counts.blocks.keys()):
        blocks.add_metric(pair, counts.blocks.get(pair, 0))
    yield blocks


def _of_heads(heads: Sequence[HeadReading]) -> Iterator[Metric]:
    up = GaugeMetricFamily("chimera_head_up", "1 while the head's process answers.", labels=_HEAD)
    busy = GaugeMetricFamily("chimera_head_busy", "1 while the head performs.", labels=_HEAD)
    good = GaugeMetricFamily(
        "chimera_head_reputation_ratio",
        "Expected share of kernels that the head does well.",
        labels=_HEAD,
    )
    for head in heads:
        up.add_metric((head.head,), head.up)
        busy.add_metric((head.head,), head.busy)
        good.add_metric((head.head,), head.reputation)
    yield from (up, busy, good)


_HEAD = ("head",)


def _outcomes(counts: Counts) -> Metric:
    family = CounterMetricFamily(
        "chimera_head_outcomes",
        "Kernels and deaths of a head: ok, by its own fault, or failed by the document.",
        labels=("head", "outcome"),
    )
    known = {(head, outcome) for head in HEAD_IDS for outcome in ("ok", "fault", "document")}
    for pair in sorted(known | counts.heads.keys()):
        family.add_metric(pair, counts.heads.get(pair, 0))
    return family


def _queues(heads: Sequence[HeadReading], counts: Counts) -> Iterator[Metric]:
    length = GaugeMetricFamily(
        "chimera_head_queue_length", "Kernels that wait in front of heads.", labels=("kind",)
    )
    for kind in sorted({head.kind for head in heads}):
        length.add_metric((kind,), sum(head.queued for head in heads if head.kind == kind))
    yield length
    waits = HistogramMetricFamily(
        "chimera_head_lease_wait_seconds",
        "Time between a kernel's being ready and its start on a head.",
        labels=("kind",),
    )
    for kind, found in sorted(counts.waits.items()):
        _add(waits, (kind,), found)
    yield waits


def _add(family: HistogramMetricFamily, labels: Sequence[str], found: Distribution) -> None:
    family.add_metric(labels, list(found.cumulative()), found.total)


def _checkpoint_bytes(counts: Counts) -> Metric:
    family = CounterMetricFamily(
        "chimera_checkpoint_bytes",
        "Bytes of checkpoints that were stored or rebuilt, before coding.",
        labels=("operation",),
    )
    found = {("store",): counts.stored_bytes, **counts.tallies.get("checkpoint_bytes", {})}
    for labels, value in sorted(found.items()):
        family.add_metric(labels, value)
    return family


def _of_tallies(counts: Counts) -> Iterator[Metric]:
    for name, text in sorted(_TALLY_HELP.items()):
        family = CounterMetricFamily(f"chimera_{name}", text, labels=TALLIES[name])
        found = {**dict.fromkeys(_FROM_START.get(name, ()), 0), **counts.tallies.get(name, {})}
        for labels, value in sorted(found.items()):
            family.add_metric(labels, value)
        if found:
            yield family
