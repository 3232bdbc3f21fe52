"""The files of deploy/: Prometheus reads the rules and expressions, Grafana the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from chimera_pipelines.gateway.metrics import ChimeraCollector, HeadReading
from chimera_pipelines.ledger.counts import Counts
from chimera_pipelines.ledger.tallies import TALLIES

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/chimera.json").read_text("utf-8"))
ALERTS = DEPLOY / "prometheus/alerts.yml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool: apt-get install prometheus"
)
NAME = re.compile(r"\bchimera_[a-z_]+")
# What Grafana puts in before it asks.
VARIABLES = {"$__rate_interval": "1m", "$__range": "6h"}


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exported() -> set[str]:
    """Names of all samples that can be exported."""
    counts = Counts()
    counts.phases["embed", "ai", "ok"].add(1.0)
    counts.waits["ai"].add(1.0)
    for name, labels in TALLIES.items():
        counts.tallies[name][("x",) * len(labels)] = 1
    heads = [HeadReading("HEAD_1", "ai", up=True, busy=True, queued=0, reputation=1.0)]
    collector: Collector = ChimeraCollector(lambda: counts, lambda: heads)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return {sample.name for family in registry.collect() for sample in family.samples}


def promtool(*arguments: str) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_the_alert_rules_and_the_example_configuration() -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("check", "config", str(DEPLOY / "prometheus/prometheus.yml"))


@needs_promtool
def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = []
    for number, expression in enumerate(expressions()):
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901
        assert "$" not in expression
        rules.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_every_metric_that_is_named_is_exported() -> None:
    known = exported()
    named = {
        name
        for text in [*expressions(), *(rule["expr"] for rule in alerts())]
        for name in NAME.findall(text)
    }
    assert named - known == set()
    assert len(named) > 8


def test_the_dashboard_shows_what_it_should() -> None:
    shown = " ".join(expressions())
    for name in (
        "head_up",
        "head_busy",
        "head_reputation_ratio",
        "blocks_total",
        "phase_duration_seconds_bucket",
        "checkpoint_bytes_total",
        "checkpoint_shares_repaired_total",
        "ticket_verifications_total",
        "ledger_mismatches_total",
    ):
        assert f"chimera_{name}" in shown


def test_the_dashboard_has_grafanas_form() -> None:
    for name in ("uid", "title", "schemaVersion", "templating", "time", "annotations"):
        assert DASHBOARD[name]
    assert len(DASHBOARD["uid"]) <= 40
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    kinds = {"timeseries", "stat", "bargauge", "state-timeline"}
    for panel in panels:
        assert panel["type"] in kinds
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert set(panel["fieldConfig"]) == {"defaults", "overrides"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["instant"] is not target["range"]


def test_no_two_panels_lie_on_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_the_provisioning_examples_have_grafanas_form() -> None:
    folder = DEPLOY / "grafana/provisioning"
    (dashboards,) = yaml.safe_load((folder / "dashboards/chimera.yml").read_text())["providers"]
    assert (dashboards["type"], "path" in dashboards["options"]) == ("file", True)
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"].startswith("http://")


def test_an_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in alerts():
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
