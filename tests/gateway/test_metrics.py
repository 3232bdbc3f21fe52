from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chimera_pipelines import __version__
from chimera_pipelines.gateway.metrics import ChimeraCollector, HeadReading
from chimera_pipelines.ledger.counts import EDGES, Counts

HEADS = (
    HeadReading("HEAD_1", "quantum", up=True, busy=True, queued=2, reputation=0.97),
    HeadReading("HEAD_2", "quantum", up=True, busy=False, queued=1, reputation=0.8),
    HeadReading("HEAD_3", "ai", up=False, busy=False, queued=0, reputation=0.5),
)


def text(counts: Counts, heads=HEADS) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ChimeraCollector(lambda: counts, lambda: heads))
    return generate_latest(registry).decode()


def samples(counts: Counts, heads=HEADS) -> dict[str, float]:
    """Values by name with labels, as Prometheus writes them."""
    found = {}
    for line in text(counts, heads).splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def test_heads_are_gauges_with_one_label():
    found = samples(Counts())
    assert found['chimera_head_up{head="HEAD_1"}'] == 1
    assert found['chimera_head_up{head="HEAD_3"}'] == 0
    assert found['chimera_head_busy{head="HEAD_2"}'] == 0
    assert found['chimera_head_reputation_ratio{head="HEAD_1"}'] == 0.97
    assert found['chimera_head_queue_length{kind="quantum"}'] == 3


def test_phases_are_histograms_whose_last_bucket_is_their_count():
    counts = Counts()
    for seconds in (0.002, 0.4, 3000.0):
        counts.phases["embed", "ai", "ok"].add(seconds)
    found = samples(counts)
    labels = 'kind="ai",outcome="ok",phase="embed"'
    buckets = {
        float(match[1]): value
        for name, value in found.items()
        if (match := re.match(r'chimera_phase_duration_seconds_bucket\{.*le="([^"]+)"', name))
    }
    assert sorted(buckets) == [*EDGES, float("inf")]
    assert [buckets[edge] for edge in (0.001, 0.0025, 0.5, 1800, float("inf"))] == [0, 1, 2, 2, 3]
    sums = [v for n, v in found.items() if n.startswith("chimera_phase_duration_seconds_sum")]
    assert sums == [pytest.approx(3000.402)]
    assert found[f"chimera_phase_duration_seconds_count{{{labels}}}"] == 3


def test_counters_of_failure_exist_before_the_first_failure():
    found = samples(Counts())
    for name in (
        'chimera_blocks_total{kind="quantum",outcome="failed"}',
        'chimera_ticket_verifications_total{result="failed"}',
        'chimera_checkpoint_shares_repaired_total{operation="repair"}',
        'chimera_checkpoint_bytes_total{operation="store"}',
        'chimera_head_outcomes_total{head="HEAD_4",outcome="fault"}',
        "chimera_ledger_mismatches_total",
        "chimera_ledger_entries_total",
    ):
        assert found[name] == 0
    assert "decoder" not in text(Counts())


def test_tallies_are_counters_with_their_labels():
    counts = Counts(entries=7, stored_bytes=100)
    counts.blocks["unknown", "ok"] = 4
    counts.heads["HEAD_1", "document"] = 3
    counts.tallies["checkpoint_bytes"][("repair",)] = 9
    counts.tallies["decoder_shots"][("pymatching", "3")] = 1000
    counts.tallies["ledger_mismatches"][()] = 2
    found = samples(counts)
    assert found['chimera_blocks_total{kind="unknown",outcome="ok"}'] == 4
    assert found['chimera_head_outcomes_total{head="HEAD_1",outcome="document"}'] == 3
    assert found['chimera_checkpoint_bytes_total{operation="store"}'] == 100
    assert found['chimera_checkpoint_bytes_total{operation="repair"}'] == 9
    assert found['chimera_decoder_shots_total{decoder="pymatching",distance="3"}'] == 1000
    assert found["chimera_ledger_mismatches_total"] == 2
    assert found["chimera_ledger_entries_total"] == 7


def test_the_version_is_a_label_of_an_info_metric():
    assert samples(Counts())[f'chimera_build_info{{version="{__version__}"}}'] == 1


def test_names_have_units_and_our_prefix_and_no_label_grows_without_end():
    counts = Counts()
    counts.phases["embed", "ai", "ok"].add(1.0)
    counts.waits["ai"].add(1.0)
    counts.tallies["decoder_errors"][("d", "3")] = 1
    for family in text_string_to_metric_families(text(counts)):
        assert family.name.startswith("chimera_")
        assert family.documentation.endswith(".")
        for sample in family.samples:
            known = {"head", "kind", "phase", "outcome", "operation", "result", "version", "le"}
            assert set(sample.labels) <= known | {"decoder", "distance"}
